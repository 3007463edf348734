/** `hawser webhook list|test`: who is told of events, what waits for whom, and whether a request arrives. */
import type { Command } from 'commander';
import type { WebhookStatus, WebhookTest } from '../control/webhooks.ts';
import { ask } from './control-client.ts';
import { formatTable, humanAge, humanDuration } from './humanize.ts';
import { addInstanceCommand, type InstanceOptions, printResult } from './instance-command.ts';

export function addWebhookCommand(program: Command): void {
  const group = program.command('webhook').description('show who is told of events by HTTP, and try it');
  addInstanceCommand(group, 'list', 'show the webhooks, and what waits for them').action(
    async (options: InstanceOptions) => {
      printResult(options, await ask(options, 'webhook.list'), listLines);
    },
  );
  addInstanceCommand(group, 'test', 'send a test to one of them, or to all; fails when one does not take it')
    .argument('[target]', 'as `list` names it')
    .action(async (target: string | undefined, options: InstanceOptions) => {
      const tests = await ask(options, 'webhook.test', target === undefined ? {} : { target });
      printResult(options, tests, (all) => all.map(testLine));
      if (!tests.every(({ isDelivered }) => isDelivered)) process.exitCode = 1;
    });
}

function testLine({ target, isDelivered, outcome, tookMs }: WebhookTest): string {
  return `${target}  ${isDelivered ? 'took it' : 'did not take it'}: ${outcome} (${tookMs} ms)`;
}

function listLines(all: readonly WebhookStatus[]): string[] {
  const troubles = [...new Set(all.flatMap(({ trouble }) => trouble ?? []))];
  return [
    ...formatTable<WebhookStatus>(
      [
        { heading: 'TARGET', text: ({ target }) => target },
        { heading: 'WAITING', align: 'right', text: ({ waiting }) => String(waiting) },
        { heading: 'DELIVERED', align: 'right', text: ({ delivered }) => String(delivered) },
        { heading: 'LAST', text: ({ deliveredAgeMs }) => humanAge(deliveredAgeMs) },
        {
          heading: 'NEXT TRY',
          text: ({ nextInMs }) => (nextInMs === undefined ? '-' : `in ${humanDuration(nextInMs)}`),
        },
        { heading: 'STATE', text: ({ failures, last }) => (failures === 0 ? 'ok' : `${failures} failures: ${last}`) },
        { heading: 'EVENTS', optional: true, text: ({ events }) => events.join(',') },
      ],
      all,
      'No webhooks.',
    ),
    ...troubles.map((trouble) => `The queue is in memory only: ${trouble}`),
  ];
}
