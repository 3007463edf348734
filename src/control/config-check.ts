/** What is wrong with a configuration's text and what is seldom meant, for `hawser check` and for who edits it from afar. */
import { existsSync, readFileSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { matchesEvent } from '../config/event-patterns.ts';
import { type Warning, warningsOf } from '../config/warnings.ts';
import { eventKinds } from './events.ts';

/** What a configuration may say and yet is seldom meant, on this host. */
export function configWarnings(config: Config): Warning[] {
  return [...warningsOf(config, interfaceMtu), ...unheardEvents(config)];
}

/** sysfs-class-net of the kernel's documentation. */
function interfaceMtu(name: string): number | undefined {
  const file = `/sys/class/net/${name}/mtu`;
  return existsSync(file) ? Number(readFileSync(file, 'utf8')) : undefined;
}

/** A pattern that no kind of event fits is told of nothing. */
function unheardEvents({ webhooks }: Config): Warning[] {
  return webhooks.flatMap(({ events }, index) =>
    events
      .filter((pattern) => !eventKinds.some((kind) => matchesEvent([pattern], kind)))
      .map((pattern) => ({
        path: `webhooks[${index}].events`,
        message: `no event is called ${pattern} (docs/operating/cli.md lists them)`,
      })),
  );
}
