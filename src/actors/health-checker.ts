/** Probes hosts past the tunnel by each link that asks for it, so that a dead link is told from a dead peer. Evented. */
import { randomInt } from 'node:crypto';
import type { LinkHealthConfig } from '../config/config.ts';
import type { ProbeOutcome } from '../io/link-probe.ts';
import { Resolver } from '../io/resolver.ts';
import { SourceFinder } from '../io/source-finder.ts';
import { checkTable, linkTable } from '../rings/table.ts';
import type { PluginCandidate } from './health/candidates.ts';
import { CheckRowWriter } from './health/check-row.ts';
import { LinkProber } from './health/link-prober.ts';
import { LinkRowWriter } from './health/link-row.ts';
import type { Actor, ActorContext, ActorDefinition, Command } from './kit/contract.ts';
import { memoryOf } from './kit/ports.ts';
import { PluginAsker } from './plugins/questions.ts';

export interface HealthCheckerSettings {
  readonly fwmark: number;
  /** Says which of the host's name servers lie in the tunnel. */
  readonly dnsRecord: string;
  /** Those whose health is asked for. */
  readonly links: readonly {
    readonly row: number;
    readonly name: string;
    /** undefined = the kernel's routing chooses. */
    readonly interface: string | undefined;
    readonly health: LinkHealthConfig;
  }[];
}

export const definition: ActorDefinition = {
  role: 'health-checker',
  turn: 'evented',
  isPatient: true,
  start: (context) => new HealthChecker(context),
};

class HealthChecker implements Actor {
  readonly #probers: readonly LinkProber[];
  readonly #resolvers: readonly Resolver[];
  readonly #plugins: PluginAsker;

  constructor(context: ActorContext) {
    const settings = context.spec.settings as HealthCheckerSettings;
    this.#plugins = new PluginAsker(context);
    const table = linkTable(memoryOf(context.spec, 'links'));
    const checks = checkTable(memoryOf(context.spec, 'checks'));
    const parts = settings.links.map((link) => {
      const interfaceName = link.interface ?? '';
      const { fwmark, dnsRecord } = settings;
      const sources = new SourceFinder(context.addon);
      const resolver = new Resolver(context.addon, sources, { fwmark, dnsRecord, interfaces: [interfaceName] });
      const prober = new LinkProber({
        addon: context.addon,
        name: link.name,
        interfaceName,
        fwmark,
        health: link.health,
        row: new LinkRowWriter(table, link.row),
        checkRow: (index) => new CheckRowWriter(checks, link.row, index),
        resolver,
        emit: (event) => context.emit(event),
        askPlugin: (candidate, timeoutMs) => this.#askPlugin(link.name, link.interface, candidate, timeoutMs),
        random: () => randomInt(0x10000) / 0x10000,
      });
      return { prober, resolver };
    });
    this.#probers = parts.map(({ prober }) => prober);
    this.#resolvers = parts.map(({ resolver }) => resolver);
    for (const prober of this.#probers) prober.start();
  }

  /** Called by the heartbeat: the work is done by timers. */
  work(): number {
    return 0;
  }

  onCommand(command: Command): void {
    if (this.#plugins.handle(command)) return;
    if (command.kind === 'network-changed') for (const prober of this.#probers) prober.hurry();
  }

  async #askPlugin(
    link: string,
    interfaceName: string | undefined,
    { check }: PluginCandidate,
    timeoutMs: number,
  ): Promise<ProbeOutcome> {
    const { plugin, name, argument } = check;
    const question = { link, interface: interfaceName, check: name, argument, timeoutMs };
    const outcome = await this.#plugins.ask(plugin, 'health', question, timeoutMs);
    if (!outcome.ok) return { answered: false, rttUs: 0, detail: outcome.reason };
    // As the plugin-host has checked it.
    const { ok, rttMs, detail } = outcome.answer as {
      readonly ok: boolean;
      readonly rttMs: number;
      readonly detail: string;
    };
    return { answered: ok, rttUs: ok ? rttMs * 1000 : 0, detail: detail === '' ? (ok ? 'well' : 'not well') : detail };
  }

  close(): void {
    for (const prober of this.#probers) prober.close();
    for (const resolver of this.#resolvers) resolver.close();
  }
}
