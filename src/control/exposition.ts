/**
 * Families of metrics as text: Prometheus' exposition format 0.0.4, or OpenMetrics 1.0, which calls a counter by its name without `_total`,
 * names units and says where it ends. Pure.
 */

export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  /** In base units, with the unit last: `hawser_link_sent_bytes`; of a counter without `_total`, of an info without `_info`. */
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'info';
  readonly help: string;
  readonly samples: readonly Sample[];
}

export type Dialect = 'prometheus' | 'openmetrics';

export const mediaTypes: Readonly<Record<Dialect, string>> = {
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

const units = ['bytes', 'seconds', 'ratio'];
const suffixes = { counter: '_total', gauge: '', info: '_info' } as const;

/** Which of the two `Accept` prefers (RFC 9110 section 12.5.1); Prometheus' own where it says nothing of them. */
export function dialectFor(accept: string | undefined): Dialect {
  let [best, chosen]: [number, Dialect] = [0, 'prometheus'];
  for (const part of (accept ?? '').split(',')) {
    const [type = '', ...parameters] = part.split(';').map((one) => one.trim().toLowerCase());
    const quality = Number(parameters.find((one) => one.startsWith('q='))?.slice(2) ?? 1);
    const dialect =
      type === 'application/openmetrics-text' ? 'openmetrics' : type === 'text/plain' ? 'prometheus' : undefined;
    if (dialect === undefined || !(quality > best)) continue;
    [best, chosen] = [quality, dialect];
  }
  return chosen;
}

export function expose(families: readonly Family[], dialect: Dialect): string {
  const lines: string[] = [];
  for (const family of families) if (family.samples.length > 0) addFamily(lines, family, dialect);
  if (dialect === 'openmetrics') lines.push('# EOF');
  return `${lines.join('\n')}\n`;
}

function addFamily(lines: string[], { name, type, help, samples }: Family, dialect: Dialect): void {
  const sampled = `${name}${suffixes[type]}`;
  if (dialect === 'openmetrics') {
    lines.push(`# TYPE ${name} ${type}`);
    const unit = units.find((one) => name.endsWith(`_${one}`));
    if (unit !== undefined) lines.push(`# UNIT ${name} ${unit}`);
    lines.push(`# HELP ${name} ${escaped(help, true)}`);
  } else {
    lines.push(`# HELP ${sampled} ${escaped(help, false)}`, `# TYPE ${sampled} ${type === 'info' ? 'gauge' : type}`);
  }
  for (const { labels = {}, value } of samples) {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text, true)}"`);
    lines.push(`${sampled}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${numberText(value)}`);
  }
}

function escaped(text: string, withQuotes: boolean): string {
  const safe = text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  return withQuotes ? safe.replaceAll('"', '\\"') : safe;
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  return Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : '-Inf';
}
