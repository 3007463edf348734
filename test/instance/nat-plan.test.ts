import t from 'tap';
import { parseConfig } from '../../src/config/parse.ts';
import { hubFactsOf } from '../../src/instance/hub-facts.ts';
import { planNat } from '../../src/instance/nat-plan.ts';

function configOf(server: object) {
  const raw = {
    identity: { privateKeyFile: 'hub.key' },
    tunnel: { addresses: ['10.100.0.1/16'] },
    server: { pool: '10.100.0.0/16', ...server },
  };
  const { config, problems } = parseConfig(JSON.stringify(raw), '/etc/hawser/hub.yaml');
  if (config === undefined) throw new Error(JSON.stringify(problems));
  return config;
}

t.test('planNat() has nothing to do unless it is asked to', async (t) => {
  t.equal(planNat(configOf({})), undefined);
  t.match(planNat(configOf({ isolation: true })), { isolation: true, masquerade: { 4: false, 6: false } });
  t.match(planNat(configOf({ nat: { mode: 'masquerade', timeout: '2m' } })), {
    masquerade: { 4: true, 6: false },
    interface: 'hawser0',
    timeoutSeconds: 120,
  });
});

t.test('planNat() translates IPv6 that leads nowhere outside, and what is asked for', async (t) => {
  const six = (pool6: string, ipv6?: string) =>
    planNat(configOf({ pool6, nat: { mode: 'masquerade', ...(ipv6 === undefined ? {} : { ipv6 }) } }))?.masquerade[6];
  t.equal(six('fd00:100::/64'), true);
  t.equal(six('2001:db8:1::/64'), false);
  t.equal(six('2001:db8:1::/64', 'masquerade'), true);
  t.equal(six('fd00:100::/64', 'route'), false);
});

t.test('hubFactsOf() tells clients to send everything, where addresses are translated', async (t) => {
  const networks = (server: object) => hubFactsOf(configOf(server), 'key', 51820).networks;
  t.same(networks({}), ['10.100.0.0/16']);
  t.same(networks({ nat: { mode: 'masquerade' } }), ['0.0.0.0/0']);
  t.same(networks({ pool6: 'fd00:100::/64', nat: { mode: 'masquerade' } }), ['0.0.0.0/0', '::/0']);
});
