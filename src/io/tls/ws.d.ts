/** The part of the library `ws` that is used here; its own package has no types. */
declare module 'ws' {
  import type { EventEmitter } from 'node:events';
  import type { IncomingMessage } from 'node:http';
  import type { Duplex } from 'node:stream';

  export interface WebSocketOptions {
    readonly createConnection?: () => Duplex;
    readonly headers?: Readonly<Record<string, string>>;
    readonly perMessageDeflate?: boolean;
    readonly autoPong?: boolean;
    readonly maxPayload?: number;
    readonly handshakeTimeout?: number;
    readonly origin?: string;
  }

  export class WebSocket extends EventEmitter {
    constructor(address: string, options: WebSocketOptions);
    send(data: Uint8Array, options: { readonly binary: boolean; readonly compress: boolean }, done: () => void): void;
    terminate(): void;
  }

  export class WebSocketServer extends EventEmitter {
    constructor(options: {
      readonly noServer: true;
      readonly perMessageDeflate: boolean;
      readonly autoPong: boolean;
      readonly maxPayload: number;
    });
    handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, done: (socket: WebSocket) => void): void;
  }
}
