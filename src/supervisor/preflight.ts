/** What this host must have before anything is opened: every lack at once, each with its remedy. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { HawserError, messageOf } from '../base/errors.ts';

/** linux/capability.h */
const capNetAdmin = 12n;
const tunDevice = '/dev/net/tun';

/** Throws one error that names everything that is missing. */
export function checkHost(): void {
  const problems = [checkPlatform(), checkCapability(), checkTun()].filter((problem) => problem !== undefined);
  if (problems.length > 0) throw new HawserError('PREFLIGHT', `Cannot start: ${problems.join('; ')}`);
}

function checkPlatform(): string | undefined {
  return process.platform === 'linux' ? undefined : `this is ${process.platform}, and Hawser runs on Linux only`;
}

function checkCapability(): string | undefined {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  const allowed = (BigInt(`0x${effective}`) >> capNetAdmin) & 1n;
  return allowed === 1n ? undefined : 'the process lacks CAP_NET_ADMIN (run as root, or by the systemd unit)';
}

function checkTun(): string | undefined {
  try {
    accessSync(tunDevice, constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    return `${tunDevice} cannot be used: ${messageOf(error)} (modprobe tun; in a container pass --device ${tunDevice})`;
  }
}
