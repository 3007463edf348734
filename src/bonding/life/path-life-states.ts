/** What a path's life can be in, and why: numbers for shared memory, words for people. `path-life.ts` has the machine. */

export const lifeState = {
  unproven: 0,
  live: 1,
  suspect: 2,
  dead: 3,
  recovering: 4,
  flapping: 5,
  withdrawn: 6,
} as const;
export const lifeStateNames = ['unproven', 'live', 'suspect', 'dead', 'recovering', 'flapping', 'withdrawn'] as const;

export const lifeReason = {
  new: 0,
  proven: 1,
  noProgress: 2,
  probesUnanswered: 3,
  answered: 4,
  progressed: 5,
  stable: 6,
  shortLives: 7,
  brokeAgain: 8,
  kernelDown: 9,
  kernelUp: 10,
  suspectedOften: 11,
  answeredLate: 12,
} as const;

/** By reason code. */
export const lifeReasonTexts: readonly string[] = [
  'not probed yet',
  'a probe was answered',
  'nothing sent on it was acknowledged, though the peer reported',
  'probes were not answered',
  'probes are answered again',
  'what was sent on it is acknowledged after all',
  'it answered for the whole stability time',
  'it died soon after its last return',
  'it stopped answering before the stability time was over',
  'the kernel reports the link, its address or its route gone',
  'the kernel reports the link back',
  'it was suspected several times within seconds',
  'its answers come much later than they did',
];
