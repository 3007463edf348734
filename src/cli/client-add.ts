/** `hawser client add` and `client device add`: a key, and the file that its owner needs. */
import process from 'node:process';
import { HawserError } from '../base/errors.ts';
import { parseCidr } from '../config/address.ts';
import { formatKey, newPrivateKey, publicKeyOf } from '../config/keys.ts';
import type { HubFacts, NewClientAnswer } from '../control/client-calls.ts';
import { type ClientFileInput, stockFile } from '../control/stock-file.ts';
import { hawserFile } from './client-files.ts';
import { type QuotaOptions, quotaOfOptions } from './client-quotas.ts';
import { type RateOptions, ratesOfOptions } from './client-rates.ts';
import { ask } from './control-client.ts';
import { usageError } from './exit.ts';
import { parseWhen } from './expiry.ts';
import { checkedEndpoint, endpointsAt, type HubEndpoint } from './hub-endpoint.ts';
import type { InstanceOptions } from './instance-command.ts';
import { printCode } from './print-code.ts';

export interface AddOptions extends InstanceOptions, RateOptions, QuotaOptions {
  readonly stock?: true;
  readonly hawser?: true;
  readonly publicKey?: string;
  readonly address?: readonly string[];
  readonly expires?: string;
  readonly endpoint?: string;
  readonly allowed?: readonly string[];
  readonly psk: boolean;
  readonly qr?: true;
}

/** The private key is made here, and goes nowhere but to stdout. `device`: of a client that there is. */
export async function addClient(name: string, device: string | undefined, options: AddOptions): Promise<void> {
  const allowed = options.allowed?.map((text) => checkedCidr(text));
  const endpoint = options.endpoint === undefined ? undefined : checkedEndpoint(options.endpoint);
  const expiresMs = options.expires === undefined ? undefined : parseWhen(options.expires, Date.now());
  await checkReach(endpoint, options);
  const key = options.publicKey === undefined ? newPrivateKey() : undefined;
  const wanted = {
    name,
    publicKey: options.publicKey ?? formatKey(publicKeyOf(key ?? new Uint8Array(32))),
    addresses: [...(options.address ?? [])],
    presharedKey: options.psk,
  };
  const rates = ratesOfOptions(options);
  const quota = quotaOfOptions(options);
  const more = {
    ...(expiresMs === undefined ? {} : { expiresMs }),
    ...(rates === undefined ? {} : { rates }),
    ...(quota === undefined ? {} : { quota }),
  };
  const answer =
    device === undefined
      ? await ask(options, 'client.add', { ...wanted, ...more })
      : await ask(options, 'client.device.add', { ...wanted, device });
  const { hub } = answer;
  const input: ClientFileInput = {
    ...answer,
    privateKey: key === undefined ? undefined : formatKey(key),
    endpoints: endpoint === undefined ? hub.endpoints : endpointsAt(endpoint, hub),
    allowed: allowed ?? hub.networks,
  };
  await print(input, answer, options);
}

async function print(input: ClientFileInput, answer: NewClientAnswer, options: AddOptions): Promise<void> {
  const file = options.hawser === true ? hawserFile(input) : stockFile(input);
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify({ ...answer, privateKey: input.privateKey, file }, undefined, 2)}\n`);
    return;
  }
  process.stdout.write(file);
  const isForPhones = options.hawser !== true && input.privateKey !== undefined;
  if (isForPhones && (options.qr === true || process.stdout.isTTY)) await printCode(file);
}

/** Throws what would keep the client from finding its hub: a file that nobody can use is not printed, and nobody is added for it. */
async function checkReach(endpoint: HubEndpoint | undefined, options: AddOptions): Promise<void> {
  const hub = await ask(options, 'hub');
  const [message, remedy] = lackOf(hub, endpoint !== undefined, options.hawser === true) ?? [];
  if (message === undefined) return;
  // An instance that is no hub says so.
  await ask(options, 'invite.list');
  throw new HawserError('NO_ENDPOINT', `${message}; nobody was added`, remedy);
}

function lackOf(
  hub: HubFacts,
  isSaid: boolean,
  isHawser: boolean,
): readonly [message: string, remedy: string] | undefined {
  if (!isHawser && hub.ports.udp === undefined)
    return [
      'WireGuard needs UDP, and this hub has no UDP port of its own',
      'write listen.udp in its file; other Hawsers: --hawser',
    ];
  if (Object.keys(hub.ports).length === 0)
    return ['This hub has no port of its own', 'write listen.udp in its file, and restart it'];
  if (isSaid || hub.endpoints.length > 0) return undefined;
  return [
    'Nobody has said where this hub is reached',
    'write server.endpoint in its file and reload it, or give --endpoint',
  ];
}

function checkedCidr(text: string): string {
  if (parseCidr(text) === undefined) throw usageError(`--allowed is "${text}"`, '0.0.0.0/0, or other networks');
  return text;
}
