import t from 'tap';
import { parseConfig } from '../../src/config/parse.ts';
import { NatBlocks } from '../../src/instance/nat-blocks.ts';
import { planNat } from '../../src/instance/nat-plan.ts';
import { assignBlocks, blockCount } from '../../src/io/nat/blocks.ts';

t.test(
  'NatBlocks remembers blocks over a start at which nobody is there yet, and who has been away for longer',
  async (t) => {
    const raw = {
      identity: { privateKeyFile: 'hub.key' },
      tunnel: { addresses: ['10.100.0.1/16'] },
      server: {
        pool: '10.100.0.0/16',
        limits: { clients: 3, perClient: 1 },
        nat: { mode: 'masquerade', perClient: 256, ports: '10000-10767', addresses: ['203.0.113.7'] },
      },
      runtime: { stateDirectory: t.testdir() },
    };
    const { config, problems } = parseConfig(JSON.stringify(raw), '/etc/hawser/hub.yaml');
    const plan = config && planNat(config);
    if (plan === undefined) throw new Error(JSON.stringify(problems));
    const warnings: string[] = [];
    const start = (...turns: readonly string[][]) => {
      const blocks = new NatBlocks(plan, (message) => warnings.push(message));
      for (const present of turns) blocks.set(assignBlocks(present, blocks.numbers, blockCount(plan)));
      return Object.fromEntries(blocks.numbers);
    };
    start([], ['a', 'b', 'c']);
    t.same(start([]), { a: 0, b: 1, c: 2 });
    start(['a', 'b', 'c'], ['a', 'c'], ['c']);
    t.same(start([], ['c']), { b: 1, a: 0, c: 2 });
    t.same(start([], ['c', 'd']), { a: 0, d: 1, c: 2 }, 'b went before a');
    t.same(warnings, []);
  },
);
