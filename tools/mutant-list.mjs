// What tools/mutants.mjs breaks. `edits`: a file, then pairs of what stands there once and what takes its place. `suites`: unit tests that
// are asked, after the simulator where the mutant must show in it.

/** Of test/, the quickest first. */
export const simulatorSuites = ['sim/faults.sim.test', 'sim/bonds.sim.test'];

export const mutants = [
  {
    name: 'feedback ignored',
    mustShowInSimulator: true,
    edits: [['src/bonding/sending-path.ts', ['    this.samples.handleReport(cells, at, this.rttUs, nowUs);\n', '']]],
  },
  {
    name: 'detection x10',
    mustShowInSimulator: true,
    edits: [
      [
        'src/bonding/life/silence.ts',
        ['const leastMarginUs = 10_000;', 'const leastMarginUs = 100_000;'],
        ['const jitterFactor = 4;', 'const jitterFactor = 40;'],
        ['const reportsWaited = 2;', 'const reportsWaited = 20;'],
      ],
    ],
    suites: ['bonding/life/path-life.test'],
  },
  {
    name: 'reorder off',
    mustShowInSimulator: true,
    edits: [
      [
        'src/bonding/receive/reorder-deadline.ts',
        ['return this.#fixedUs >= 0 ? this.#fixedUs : this.#deadlineUs;', 'return 0;'],
      ],
    ],
    suites: ['bonding/receive/reorder-deadline.test'],
  },
  {
    name: 'path 0 always',
    mustShowInSimulator: true,
    edits: [
      [
        'src/bonding/schedule/routes.ts',
        ['paths.at((this.#schedulers[kind] as Scheduler).choose(all, all.length, demand, nowUs))', 'all[0]'],
      ],
    ],
  },
  {
    name: 'FEC dropped',
    mustShowInSimulator: true,
    edits: [
      ['src/bonding/repair/peer-parity.ts', ['return this.isHeard && this.#policy.parity > 0;', 'return false;']],
    ],
  },
  {
    name: 'repair by the worst path',
    mustShowInSimulator: true,
    edits: [
      [
        'src/bonding/repair/repair-choice.ts',
        ['if (arrivalUs >= bestUs) continue;', 'if (best >= 0 && arrivalUs <= bestUs) continue;'],
      ],
    ],
    suites: ['bonding/repair/repair-choice.test'],
  },
  {
    name: 'suspect never cleared',
    mustShowInSimulator: true,
    edits: [['src/bonding/life/path-life.ts', ['      else this.#enter(lifeState.live, reason, nowUs);\n', '']]],
    suites: ['bonding/life/path-life.test'],
  },
  {
    name: 'loss believed at once',
    mustShowInSimulator: true,
    edits: [['src/bonding/repair/loss-delay.ts', ['return Math.max(this.#us, jitterUs / 2);', 'return 0;']]],
    suites: ['bonding/repair/loss-delay.test'],
  },
  {
    name: 'no repair at all',
    mustShowInSimulator: true,
    edits: [['src/bonding/bond.ts', ['return this.#repairs.run(this.routes, nowUs);', 'return nowUs * 0;']]],
  },
  {
    name: 'overdue as if all had left evenly',
    mustShowInSimulator: true,
    edits: [['src/bonding/life/silence.ts', ['Math.min(evenly, sample.inFlightBytes - sample.freshBytes)', 'evenly']]],
    suites: ['bonding/life/path-life.test'],
  },
  {
    name: 'parity by the path of its data',
    mustShowInSimulator: true,
    edits: [['src/bonding/path-set.ts', ['if (path === than || path.fit', 'if (path !== than || path.fit']]],
  },
  {
    name: 'no more patience with the queue where paths are long',
    mustShowInSimulator: true,
    edits: [['src/bonding/queue/queue-target.ts', ['return Math.max(targetUs, ownUs + heldUs);', 'return targetUs;']]],
    suites: ['bonding/queue/queue-target.test'],
  },
  {
    name: 'what an expired survey lost is forgotten',
    mustShowInSimulator: true,
    edits: [['src/bonding/bond.ts', ['path.handleSurvey(cells, at, nowUs);', 'path.inFlightBytes += 0;']]],
  },
  {
    name: 'a returned path carries at once',
    mustShowInSimulator: true,
    edits: [
      [
        'src/bonding/life/path-life.ts',
        ['this.#wakeUs = this.#changedUs + this.#damping.holdUs;', 'this.#wakeUs = this.#changedUs;'],
      ],
    ],
    suites: ['bonding/life/path-life.test'],
  },
  {
    name: 'windows are cut to what the survivors carry',
    mustShowInSimulator: true,
    edits: [['src/bonding/bond.ts', ['    return Math.max(targetUs, absentUs);', '    return targetUs;']]],
  },
  {
    name: 'a longer way back is not noticed',
    mustShowInSimulator: true,
    edits: [['src/bonding/rate/path-samples.ts', ['Math.max(0, rttUs - shortestUs)', '0']]],
  },
  {
    name: 'what no path takes is given up, though its peer joins pieces',
    edits: [
      ['src/bonding/repair/repairs.ts', ['const isCut = waiting > most && routes.mayCut;', 'const isCut = false;']],
    ],
    suites: ['bonding/repair/repairs.test'],
  },
  {
    name: 'bond: a window full of losses is never given up',
    edits: [
      [
        'src/bonding/sending-path.ts',
        [
          'Math.max(lastReportUs - namedUs, nowUs - Math.max(leastSilentUs, silentShare * namedUs))',
          '(lastReportUs - namedUs)',
        ],
      ],
    ],
    suites: ['bonding/sending-path.test'],
  },
  {
    name: 'bond: repairs overdraw a slow path by 16 KiB',
    edits: [
      ['src/bonding/repair/repair-choice.ts', ['Math.max(leastReserveBytes, reserve)', '(reserve, mostReserveBytes)']],
    ],
    suites: ['bonding/repair/repair-choice.test'],
  },
  {
    name: 'bond: repairs overdraw a shallow path',
    edits: [['src/bonding/repair/repair-choice.ts', ['  if (path.isShallow) return path.allowedBytes;\n', '']]],
    suites: ['bonding/repair/repair-choice.test'],
  },
  {
    name: 'bond: any overflow is taken for a shallow buffer',
    edits: [
      [
        'src/bonding/rate/shallow-buffer.ts',
        ["verdict === 'overflow' && this.#longestUs < targetUs", "verdict === 'overflow'"],
      ],
    ],
    suites: ['bonding/rate/shallow-buffer.test'],
  },
  {
    name: 'bond: nothing goes evenly',
    edits: [['src/bonding/rate/pacer.ts', ['this.isEven ? evenBurstUs : burstUs', 'burstUs']]],
    suites: ['bonding/rate/shallow-buffer.test'],
  },
  {
    name: 'bond: no report comes while a flow waits',
    edits: [
      ['src/actors/opener/reporter.ts', ['    if (!this.#repeating.has(slot)) this.#repeating.set(slot, 1);\n', '']],
    ],
    suites: ['actors/reporter.test'],
  },
  {
    name: 'bond: a repair has one try',
    edits: [['src/actors/opener/gap-keeper.ts', ['const repairTries = 2;', 'const repairTries = 1;']]],
    suites: ['actors/gap-keeper.test'],
  },
];

const sealer = ['actors/sealer-duties.test', 'actors/data-path.test', 'actors/ack-desk.test'];
const opener = [
  'actors/sealer-duties.test',
  'actors/opener.test',
  'actors/gap-keeper.test',
  'actors/reporter.test',
  'actors/data-path.test',
];
const session = [
  'protocols/session.test',
  'protocols/path-proof.test',
  'actors/session-manager.test',
  'actors/session-paths.test',
  'actors/session-refusals.test',
  'actors/session-newcomers.test',
];
const lossFloor = ['bonding/rate/loss-floor.test', 'bonding/rate/path-controller.test', ...simulatorSuites];
const election = ['bonding/life/election.test'];
const supervisor = ['supervisor/judgement.test', 'supervisor/flood-gate.test'];

/** One edit of one file outside the bond, as a mutant. */
const one = (name, suites, file, from, to) => ({ name, suites, edits: [[file, [from, to]]] });

mutants.push(
  {
    name: 'sealer: no handshake is wanted for what waits',
    suites: sealer,
    edits: [
      [
        'src/actors/sealer.ts',
        ['      this.#desk.wantHandshake(row, this.#nowUs);\n', ''],
        [
          'if (this.#desk.slotOf(row) < 0) this.#desk.wantHandshake(row, this.#nowUs);',
          'if (this.#desk.slotOf(row) < 0) return false;',
        ],
      ],
    ],
  },
  one(
    'sealer: it never says which keys it has forgotten',
    [...sealer, ...session],
    'src/actors/sealer.ts',
    '    this.#sessions.acknowledge(session.sealerSeenAt, version, this.#shard);\n',
    '',
  ),
  one(
    'sealer: one run takes in the trains of other peers',
    sealer,
    'src/actors/sealer.ts',
    'if (facts.peer(next) !== bond.row || facts.trafficClass(next) !== kind) break;',
    'if (facts.trafficClass(next) !== kind) break;',
  ),
  one(
    'sealer: no copies for the redundant class',
    [...sealer, 'actors/session-paths.test'],
    'src/actors/sealer.ts',
    '      if (copy < 0) return;\n',
    '      if (copy >= 0 || copy < 0) return;\n',
  ),
  one(
    'sealer: a full ring of a link loses the rest of a train',
    sealer,
    'src/actors/sealer.ts',
    '    while (taken < run && this.#facts.isDone(index + taken)) taken += 1;\n',
    '    taken = run;\n',
  ),
  one(
    'opener: the keys of retired slots stay',
    [...opener, ...session],
    'src/actors/opener.ts',
    '    this.#sessions.acknowledge(session.openerSeenAt, version, this.#shard);\n',
    '',
  ),
  one(
    'opener: the first packet under new keys is not looked for again',
    opener,
    'src/actors/opener.ts',
    '      this.#followSessions();\n      found = this.#slots.get(receiverIndex);\n',
    '',
  ),
  one(
    'opener: the AES key of a slot is taken for the other',
    opener,
    'src/actors/opener.ts',
    'this.#runs[at + runs.cipher] = found & 3;',
    'this.#runs[at + runs.cipher] = 1;',
  ),
  one(
    'opener: replays are not counted',
    opener,
    'src/actors/opener.ts',
    '    this.#throughput.count(openerCounters.replayed, result[opened.replayed] as number);\n',
    '',
  ),
  one(
    'opener: a gap is given up before a repair can come',
    opener,
    'src/actors/opener/gap-keeper.ts',
    'Math.max(repairUs, ways.skewUs)',
    'Math.min(0, repairUs)',
  ),
  one(
    'opener: a gap waits for its deadline though all paths have passed it',
    opener,
    'src/actors/opener/gap-keeper.ts',
    'if (!ways.havePassed) return latestUs;',
    'return latestUs;',
  ),
  one(
    'loss floor: reports far apart hide an overflow',
    lossFloor,
    'src/bonding/rate/loss-floor.ts',
    ' && !this.#isMuch(floodExcess)) {',
    ') {',
  ),
  one(
    'loss floor: what was sent before a change of pace counts',
    lossFloor,
    'src/bonding/rate/loss-floor.ts',
    'if (this.#changedUs >= 0) {',
    'if (this.#changedUs >= 0 && newestSentUs < -1) {',
  ),
  one(
    'repairs: a far path that has room goes before the near one',
    ['bonding/repair/repair-choice.test', ...simulatorSuites],
    'src/bonding/repair/repair-choice.ts',
    'if (!isCandidate(path, tier)) continue;',
    'if (!isCandidate(path, tier) || repairRoomBytes(path) <= 0) continue;',
  ),
  one(
    'rate search: what nothing fills is searched for ever',
    ['bonding/rate/rate-search.test', ...simulatorSuites],
    'src/bonding/rate/rate-search.ts',
    '!isFilled && this.#isSettled(nowUs);',
    'false;',
  ),
  one(
    'rate search: a limit in front of the path passes for its rate',
    ['bonding/rate/rate-search.test'],
    'src/bonding/rate/rate-search.ts',
    'return this.#isPressed && this.#settledRounds',
    'return this.#settledRounds',
  ),
  one(
    'rate search: a train as fast as the path says nothing',
    ['bonding/rate/rate-search.test', ...simulatorSuites],
    'src/bonding/rate/rate-search.ts',
    'if (this.#trainRate(sample) > delivery.rate * trainGain) return false;',
    'this.#trainRate(sample);',
  ),
  one(
    'rate search: its own overflow makes a path a bad one',
    ['bonding/rate/path-controller.test', ...simulatorSuites],
    'src/bonding/rate/path-controller.ts',
    'return this.#search.isOver ? this.loss : Math.min(this.loss, this.#gauge.floor.loss);',
    'return this.loss;',
  ),
  one(
    'life: news waits for no report',
    ['bonding/bond.test', 'bonding/life/path-life.test', ...simulatorSuites],
    'src/bonding/bond.ts',
    'const waitUs = newsWaitUs(jitterUs, this.#set.reportIntervalUs);',
    'const waitUs = 0;',
  ),
  one(
    'session: every initiation is answered, however fast',
    session,
    'src/protocols/session/peer-session.ts',
    'if (nowUs - this.#lastInitiationReadUs < sessionTimes.initiationSpacingUs) return false;',
    '',
  ),
  one(
    'session: no keepalive after data',
    session,
    'src/protocols/session/peer-session.ts',
    'if (hasSent) this.#keepaliveAtUs = never;\n',
    'this.#keepaliveAtUs = never;\n    if (hasSent || !hasSent) return;\n',
  ),
  one(
    'session: an initiator never renews its keys',
    session,
    'src/protocols/session/peer-session.ts',
    'if (isOld || activity.isWorn) this.#isWanted = true;',
    'if (activity.isWorn) this.#isWanted = true;',
  ),
  one(
    'session: a worn key is used on',
    session,
    'src/protocols/session/peer-session.ts',
    'if (isOld || activity.isWorn) this.#isWanted = true;',
    'if (isOld) this.#isWanted = true;',
  ),
  one(
    'session: an absent peer is called as often as one that is there',
    session,
    'src/protocols/session/peer-session.ts',
    'const mayCall = this.#absentUs === 0 || nowUs >= this.#absentUntilUs;',
    'const mayCall = true;',
  ),
  one(
    'session: keys that fell out are not told',
    session,
    'src/protocols/session/key-generations.ts',
    'return known(previous, next);',
    'return known(previous);',
  ),
  one(
    'session: any answer proves a path',
    session,
    'src/protocols/session/path-proof.ts',
    'const sent = this.#sent.find((one) => one.token === token);',
    'const sent = this.#sent[0];',
  ),
  one(
    'transports: the preferred one never takes its place again',
    election,
    'src/bonding/life/election.ts',
    '  if (key(one) >= key(present)) return false;\n',
    '  if (key(one) >= 0) return false;\n',
  ),
  one(
    'transports: one in doubt keeps the data of its link',
    election,
    'src/bonding/life/election.ts',
    'if (state === lifeState.suspect) return hasOutlived(one, present, nowUs);',
    'if (state === lifeState.suspect) return false;',
  ),
  one(
    'session: a learnt path is asked for ever',
    session,
    'src/protocols/session/path-proof.ts',
    'if (this.#isPatient || this.#tries < mostLearnedTries) return true;',
    'return true;',
  ),
  one(
    'session: keys are wiped before both threads have let go of them',
    session,
    'src/actors/session/slot-book.ts',
    'for (const userAt of users) if',
    'for (const userAt of users.slice(0, 1)) if',
  ),
  one(
    'shards: keys are wiped before another shard has let go of them',
    ['actors/slot-book.test'],
    'src/actors/session/slot-book.ts',
    'for (let shard = 0; shard < this.#shards; shard += 1) {',
    'for (let shard = 0; shard < 1; shard += 1) {',
  ),
  one(
    'shards: a receiver index is of any shard',
    ['actors/slot-book.test'],
    'src/actors/session/slot-book.ts',
    ' || shardOf(index, this.#shards) !== shard',
    '',
  ),
  one(
    'shards: devices of one client get rows of any shard',
    ['supervisor/peer-directory.test', 'supervisor/free-rows.test'],
    'src/supervisor/free-rows.ts',
    '(shard === undefined || this.#shardOf(row) === shard)',
    'row >= 0',
  ),
  one(
    'session: a slot lingers for ever',
    session,
    'src/actors/session/slot-book.ts',
    'if (nowUs < untilUs) break;\n      this.retire(slot);',
    'break;',
  ),
  one(
    'supervisor: a starved thread is called hung',
    supervisor,
    'src/supervisor/heartbeat-watch.ts',
    'if (!isStarved(one.firstLook, look, one.limitUs * allowedPart)) {',
    'if (one.limitUs > 0) {',
  ),
  one(
    'supervisor: the silence of a box that slept is held against its threads',
    supervisor,
    'src/supervisor/heartbeat-watch.ts',
    'if (late) for (const one of this.#watched.values()) one.baselineUs = nowUs;',
    '',
  ),
  one(
    'supervisor: it restarts for ever',
    supervisor,
    'src/supervisor/restart-window.ts',
    'return this.#restartsMs.length <= count;',
    'return true;',
  ),
  one(
    'supervisor: no pause between failed starts',
    supervisor,
    'src/supervisor/restart-window.ts',
    'if (failures === 0) return 0;',
    'if (failures >= 0) return 0;',
  ),
  one(
    'supervisor: what happens often pushes out what happened once',
    supervisor,
    'src/supervisor/journal.ts',
    'const index = this.#records.findIndex((record) => record.kind === most);',
    'const index = 0;',
  ),
  one(
    'rings: a changed trie bears the version that it had',
    ['rings/allowed-ips.test'],
    'src/rings/allowed-ips.ts',
    'this.#version + 2',
    'this.#version',
  ),
);
