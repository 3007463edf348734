/** The cipher's own speed, by OpenSSL's benchmark. */
import { spawnSync } from 'node:child_process';

/** Gbit/s of one core at 1420 bytes a packet. */
export function opensslGbps(cipher: 'chacha20-poly1305' | 'aes-256-gcm'): number {
  const args = ['speed', '-mr', '-elapsed', '-seconds', '1', '-bytes', '1420', '-aead', '-evp', cipher];
  const { stdout, status, error } = spawnSync('openssl', args, { encoding: 'utf8' });
  const rate = /\+F:\d+:[^:]+:([\d.]+)/.exec(stdout ?? '')?.[1];
  if (status !== 0 || rate === undefined) {
    throw new Error(`openssl speed: ${error?.message ?? stdout} (apt-get install openssl)`);
  }
  return (Number(rate) * 8) / 1e9;
}
