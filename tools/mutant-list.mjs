// What tools/mutants.mjs breaks. `edits`: a file, then pairs of what stands there once and what takes its place. `suites`: unit tests that
// are asked after the simulator.

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
        ['all[(this.#schedulers[kind] as Scheduler).choose(all, all.length, demand, nowUs)]', 'all[0]'],
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
    edits: [['src/bonding/path-set.ts', ['if (path === than || path.rank', 'if (path !== than || path.rank']]],
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
    name: 'the survivor is judged at a return by what it carried alone',
    mustShowInSimulator: false,
    edits: [
      [
        'src/bonding/schedule/adaptive.ts',
        ['    if (this.#survey.isNearerBack) this.#settle(paths, count, nowUs);\n', ''],
      ],
    ],
    suites: ['bonding/schedule/adaptive.test'],
  },
  {
    name: 'a longer way back is not noticed',
    mustShowInSimulator: true,
    edits: [['src/bonding/rate/path-samples.ts', ['Math.max(0, rttUs - shortestUs)', '0']]],
  },
];
