/**
 * Server-sent events (HTML standard, 9.2) over fetch: EventSource cannot carry a token, and does not say why it failed. The parser is pure;
 * `listen` ends when the stream does, and throws when it never began.
 */

export interface StreamEvent {
  readonly event: string;
  readonly data: string;
  readonly id: string | undefined;
}

/** Takes text as it comes, in pieces cut anywhere; returns what is whole. */
export class StreamParser {
  #rest = '';
  #event = '';
  #data: string[] = [];
  #id: string | undefined;

  take(text: string): StreamEvent[] {
    // A CR alone ends a line too, says the standard; no daemon of ours sends one.
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    return lines.flatMap((line) => this.#line(line.replace(/\r$/, '')));
  }

  #line(line: string): StreamEvent[] {
    if (line === '') return this.#end();
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.#event = value;
    else if (field === 'data') this.#data.push(value);
    else if (field === 'id') this.#id = value;
    return [];
  }

  #end(): StreamEvent[] {
    const whole = { event: this.#event || 'message', data: this.#data.join('\n'), id: this.#id };
    const isEmpty = this.#data.length === 0;
    this.#event = '';
    this.#data = [];
    return isEmpty ? [] : [whole];
  }
}

export interface Listening {
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly handle: (event: StreamEvent) => void;
  /** Anything came, a comment too. */
  readonly alive: () => void;
  /** Makes an error of an answer that is no stream. */
  readonly refused: (status: number, body: unknown) => Error;
}

export async function listen(address: string, { headers, signal, handle, alive, refused }: Listening): Promise<void> {
  const answer = await fetch(address, {
    headers: { ...headers, accept: 'text/event-stream' },
    signal,
  });
  if (!answer.ok || answer.body === null) throw refused(answer.status, await answer.json().catch(() => undefined));
  const parser = new StreamParser();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    alive();
    for (const event of parser.take(value)) handle(event);
  }
}
