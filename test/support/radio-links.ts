/**
 * Sets of links as radios make them: the delay jitters with its order kept, and a little is lost. Mbit/s, milliseconds of one way as mean and
 * standard deviation, share lost. Simulator and emulator take the same ones.
 */
export interface RadioLink {
  readonly name: string;
  readonly rateMbit: number;
  readonly delayMs: number;
  readonly jitterMs: number;
  readonly loss: number;
}

export interface RadioSet {
  readonly name: string;
  readonly links: readonly RadioLink[];
}

function radio(name: string, rateMbit: number, delayMs: number, jitterMs: number, lossPercent: number): RadioLink {
  return { name, rateMbit, delayMs, jitterMs, loss: lossPercent / 100 };
}

function set(...links: readonly RadioLink[]): RadioSet {
  const words = links.map(({ rateMbit, delayMs, jitterMs, loss }) => {
    const lossText = loss > 0 ? ` l${(loss * 100).toFixed(1)}` : '';
    return `${rateMbit}@${delayMs}±${jitterMs}${lossText}`;
  });
  return { name: words.join(' + '), links };
}

export const jitterSets: readonly RadioSet[] = [
  set(radio('one', 60, 25, 6, 0.3), radio('two', 35, 55, 12, 1)),
  set(radio('one', 45, 35, 9, 0.5), radio('two', 25, 70, 15, 0.3)),
  set(radio('one', 80, 15, 4, 0.5), radio('two', 30, 40, 15, 0.5)),
  set(radio('one', 50, 20, 20, 0), radio('two', 50, 20, 20, 0)),
];
