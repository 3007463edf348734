/**
 * Answers programs and browsers by HTTP, as the control-server answers on its socket: the same operations for whoever shows a token. It
 * listens only while there is one. Evented; the data path does not notice when it dies.
 */
import { Server as TlsServer } from 'node:https';
import type { FastifyInstance } from 'fastify';
import { HawserError, messageOf } from '../base/errors.ts';
import { inWords } from '../base/lasting-files.ts';
import { packageVersion } from '../base/package-info.ts';
import { formatEndpoint } from '../config/address.ts';
import type { ApiConfig } from '../config/api-schema.ts';
import { readTlsIdentity } from '../config/tls-files.ts';
import { type Dialect, expose } from '../control/exposition.ts';
import { metricsOf, mostPeers } from '../control/metrics.ts';
import type { OperationContext } from '../control/operation.ts';
import { type OperationName, operations, perform } from '../control/operations.ts';
import { narrow, widest } from '../control/snapshot.ts';
import { topOf } from '../control/status.ts';
import type { SupervisorApi } from '../control/supervisor-api.ts';
import { versionOfFile } from '../control/token-file.ts';
import { EventStreams } from './api/event-streams.ts';
import { buildApp, leastTls } from './api/http-app.ts';
import { LoginBook } from './api/login-book.ts';
import type { Principal } from './api/principal.ts';
import { TokenBook } from './api/token-book.ts';
import { InstanceView } from './control/instance-view.ts';
import type { Actor, ActorContext, ActorDefinition } from './kit/contract.ts';
import { RpcClient } from './kit/rpc.ts';

export interface ApiServerSettings extends ApiConfig {
  /** Of the instance. */
  readonly name: string;
}

/** As of the control-server: a reload may stop and start links before it answers. */
const deadlineMs = 10_000;
/** Between two looks at what keeps HTTP off: a port that is taken, a file without a token. */
const lookEveryUs = 1_000_000;
/** Rates need samples a second old when somebody asks again; nobody has for so long: then a sample now and then keeps `explain` right. */
const quietAfterUs = 60_000_000;
const quietSampleUs = 10_000_000;
/** Packets first, where both want one processor: beside scrapes without a pause a round trip took 1.16 times as long, and 1.04 times with this (median of six). */
const askersNice = 5;

export const definition: ActorDefinition = {
  role: 'api-server',
  turn: 'evented',
  isPatient: true,
  nice: askersNice,
  async start(context: ActorContext): Promise<Actor> {
    if (context.supervisor === undefined) throw new HawserError('RPC', 'The api-server was given no supervisor port');
    return new ApiServer(context, new RpcClient<SupervisorApi>(context.supervisor, deadlineMs));
  },
};

class ApiServer implements Actor {
  readonly #context: ActorContext;
  readonly #settings: ApiServerSettings;
  readonly #supervisor: RpcClient<SupervisorApi>;
  readonly #view: InstanceView;
  readonly #operator: OperationContext;
  readonly #tokens: TokenBook;
  readonly #logins: LoginBook;
  readonly #streams: EventStreams;
  #app: FastifyInstance | undefined;
  /** Why HTTP is off, as it was said last; undefined = it is on, or was not looked at. */
  #offReason: string | undefined;
  /** Of the certificate and its key, and what is wrong with newer ones. */
  #filesVersion = '';
  #filesFault: string | undefined;
  #isOpening = false;
  #isClosed = false;
  #lookedUs = Number.NEGATIVE_INFINITY;
  #sampledUs = Number.NEGATIVE_INFINITY;
  #askedUs = 0;

  constructor(context: ActorContext, supervisor: RpcClient<SupervisorApi>) {
    this.#context = context;
    this.#settings = context.spec.settings as ApiServerSettings;
    this.#supervisor = supervisor;
    this.#view = new InstanceView(context, supervisor, false);
    this.#operator = {
      supervisor,
      snapshot: (choice) => {
        this.#askedUs = context.addon.nowUs();
        return this.#view.snapshot(choice);
      },
      nat: () => this.#view.nat(),
    };
    this.#tokens = new TokenBook(this.#settings.tokensFile);
    this.#logins = new LoginBook({
      logins: () => supervisor.request('logins'),
      redeemLogin: (code) => supervisor.request('redeemLogin', code),
      endLogin: (hash) => supervisor.request('endLogin', hash),
    });
    this.#streams = new EventStreams({
      nextEvents: (since) => perform(this.#operator, 'viewer', 'follow', { since }) as never,
      tops: async (choices) => {
        const snapshot = await this.#operator.snapshot(widest(choices));
        return choices.map((choice) => topOf(narrow(snapshot, choice)));
      },
    });
  }

  work(nowUs: number): number {
    const isQuiet = nowUs - this.#askedUs > quietAfterUs;
    if (!isQuiet || nowUs - this.#sampledUs > quietSampleUs) {
      this.#sampledUs = nowUs;
      this.#view.sample(nowUs);
    }
    if (nowUs - this.#lookedUs > lookEveryUs) {
      this.#lookedUs = nowUs;
      void this.#look();
    }
    return 0;
  }

  onCommand(): void {
    // No command is sent to the api-server yet: it asks.
  }

  close(): void {
    this.#isClosed = true;
    this.#shut();
    this.#supervisor.close();
  }

  /** Opens HTTP when there is a token, and shuts it when there is none any more. Never rejects. */
  async #look(): Promise<void> {
    const { tokensFile } = this.#settings;
    if (this.#tokens.count === 0) {
      this.#shut();
      const reason = this.#tokens.fault ?? `there is no token in ${tokensFile}`;
      this.#tellOff(reason, this.#tokens.fault === undefined ? addRemedy(tokensFile) : '');
    } else if (this.#app === undefined && !this.#isOpening) await this.#open();
    else this.#renewCertificate();
  }

  /** The same names may lead to files that were renewed. Until those fit each other the old ones serve. */
  #renewCertificate(): void {
    const { tls } = this.#settings;
    const server = this.#app?.server;
    if (tls === undefined || !(server instanceof TlsServer)) return;
    const version = this.#versionOfFiles();
    if (version === this.#filesVersion) return;
    try {
      const identity = readTlsIdentity(tls);
      if (identity === undefined) return;
      server.setSecureContext({ cert: identity.certificate, key: identity.key, minVersion: leastTls });
      this.#filesVersion = version;
      this.#filesFault = undefined;
      this.#context.emit({ kind: 'log', level: 'info', message: 'HTTP: the certificate was renewed' });
    } catch (error) {
      const message = `HTTP: the certificate is not renewed: ${messageOf(error)}`;
      if (message !== this.#filesFault) this.#context.emit({ kind: 'log', level: 'warn', message });
      this.#filesFault = message;
    }
  }

  #versionOfFiles(): string {
    const { tls } = this.#settings;
    return tls === undefined ? '' : `${versionOfFile(tls.certificate)} ${versionOfFile(tls.key)}`;
  }

  async #open(): Promise<void> {
    this.#isOpening = true;
    const { listen, hosts, page, metrics, name, tls } = this.#settings;
    const address = formatEndpoint(listen);
    let app: FastifyInstance | undefined;
    try {
      await this.#logins.load();
      this.#filesVersion = this.#versionOfFiles();
      app = buildApp({
        instance: name,
        version: packageVersion(),
        hosts,
        hasPage: page,
        metrics: metrics ? (dialect) => this.#metrics(dialect) : undefined,
        tls: tls === undefined ? undefined : readTlsIdentity(tls),
        perform: (principal, operation, params) => this.#perform(principal, operation, params),
        streams: this.#streams,
        findToken: (secret) => this.#tokens.find(secret),
        logins: this.#logins,
        onRefused: (address, reason) => this.#context.emit({ kind: 'api-refused', address, reason }),
        onFault: (error) => this.#context.emit({ kind: 'log', level: 'error', message: stackOf(error) }),
      });
      await app.listen({ host: listen.host, port: listen.port });
      if (this.#isClosed) return void app.close();
      this.#app = app;
      this.#offReason = undefined;
      this.#context.emit({ kind: 'api-on', address });
    } catch (error) {
      void app?.close().catch(() => undefined);
      const reason = error instanceof HawserError ? error.message : `it cannot listen on ${address}: ${inWords(error)}`;
      this.#tellOff(reason, '');
    } finally {
      this.#isOpening = false;
    }
  }

  async #metrics(dialect: Dialect): Promise<string> {
    const { user, system } = process.cpuUsage();
    const facts = { cpuSeconds: (user + system) / 1e6, residentBytes: process.memoryUsage.rss() };
    return expose(metricsOf(await this.#operator.snapshot({ most: 0, allUpTo: mostPeers, peers: [] }), facts), dialect);
  }

  /** What changes something is said in the log, with who did it. */
  async #perform({ name, role }: Principal, operation: OperationName, params: unknown): Promise<unknown> {
    const result = await perform(this.#operator, role, operation, params);
    if (operations[operation].effect === 'changes')
      this.#context.emit({ kind: 'log', level: 'info', message: `HTTP: ${operation} by ${name} (${role})` });
    return result;
  }

  /** Cuts everybody off. Idempotent. */
  #shut(): void {
    this.#streams.close();
    const app = this.#app;
    this.#app = undefined;
    app?.close().catch(() => undefined);
  }

  /** Once for each reason. */
  #tellOff(reason: string, remedy: string): void {
    if (this.#offReason === reason) return;
    this.#offReason = reason;
    this.#context.emit({ kind: 'api-off', reason, remedy });
  }
}

function addRemedy(file: string): string {
  const named = file === '/etc/hawser/tokens' ? '' : ` --file ${file}`;
  return `hawser token add NAME --role viewer|operator|admin${named}`;
}

function stackOf(error: unknown): string {
  return (error instanceof Error ? error.stack : undefined) ?? messageOf(error);
}
