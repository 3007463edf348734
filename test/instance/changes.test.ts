/** Changes of a running instance, with a supervisor that fails as it is told: what one thread fails by leaves nothing else half applied. */
import t from 'tap';
import type { Topology } from '../../src/actors/kit/topology.ts';
import type { Config } from '../../src/config/config.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { type ChangeParts, InstanceChanges } from '../../src/instance/changes.ts';
import { planFor } from '../../src/instance/plan.ts';

function configOf(text: string): Config {
  const head = 'identity: { privateKeyFile: main.key }\ntunnel: { addresses: [10.9.0.1/24] }\n';
  const { config, problems } = parseConfig(`${head}${text}`, '/nowhere/home.yaml');
  if (config === undefined) throw new Error(JSON.stringify(problems));
  return config;
}

/** An instance that runs with `before`. */
function start(before: Config) {
  const world = { steps: [] as string[], fails: new Set<string>(), followed: [] as string[][] };
  const act = async (verb: string, id: string): Promise<void> => {
    world.steps.push(`${verb} ${id}`);
    await Promise.resolve();
    if (world.fails.has(id)) throw new Error(`${id} failed to start`);
  };
  let children: { readonly id: string; readonly isBeside: boolean }[] = [];
  const parts = {
    supervisor: {
      hold: (id: string) => act('hold', id).catch(() => undefined),
      remove: (id: string) => act('remove', id),
      release: ({ id }: { id: string }) => act('release', id),
      start: async (specs: readonly { id: string }[]) =>
        void (await Promise.all(specs.map(({ id }) => act('start', id)))),
      note: () => undefined,
    },
    resources: {
      change: ({ threads }: Topology) => {
        children = threads.map(({ id }) => ({ id, isBeside: id === 'history-keeper' }));
      },
      children: () => children,
    },
    logger: { setLevel: () => undefined },
    peers: { check: () => undefined, change: () => undefined },
    listenPort: () => 4500,
    changeNetwork: () => undefined,
    follow: ({ links }: Config) => void world.followed.push(links.map(({ name }) => name)),
    isStopped: () => false,
  } as unknown as ChangeParts;
  const changes = new InstanceChanges(parts, {
    config: before,
    topology: planFor(before),
    topologyVersion: 1,
    firstActors: [],
    configPath: '/nowhere/home.yaml',
    publicKey: '',
    version: '1.0.0',
    startedAtMs: 0,
  });
  return { world, changes };
}

t.test('a thread that fails in a change keeps none of the others from it', async (t) => {
  const { world, changes } = start(
    configOf('runtime: { placement: dedicated }\nlinks: [{ name: fibre, interface: fib0 }]\n'),
  );
  world.fails.add('sealer');
  await t.rejects(changes.addLink({ name: 'lte', interface: 'lte0' } as never), { message: 'sealer failed to start' });
  t.ok(world.steps.includes('release sealer'), String(world.steps));
  t.ok(
    world.steps.some((step) => /^start .*lte/.test(step)),
    String(world.steps),
  );
  t.strictSame(world.followed, [['fibre', 'lte']], 'names, rates and NAT are in step with what runs now');
  world.fails.clear();
  await changes.removeLink('lte');
  t.strictSame(world.followed.at(-1), ['fibre']);
});
