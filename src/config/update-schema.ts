/** `update`: where `hawser update` looks for newer versions, and whose word it takes. */
import * as z from 'zod';
import { parseKey } from './keys.ts';
import { text } from './leaves.ts';

function parseIndex(input: string): string | undefined {
  if (!/^https:\/\//i.test(input) || !URL.canParse(input)) return undefined;
  const url = new URL(input);
  return url.username === '' && url.password === '' && url.hash === '' ? url.href : undefined;
}

const parsePublic = (input: string): string | undefined => (parseKey(input) === undefined ? undefined : input);

export const updateSchema = z.strictObject({
  index: text(parseIndex, {
    title: 'an https:// address',
    examples: ['https://updates.example.net/hawser/index.json'],
    description: 'The signed index; its signature is beside it with .sig behind its name.',
  }),
  key: text(parsePublic, {
    title: 'an ed25519 public key: 32 bytes as base64',
    examples: ['what tools/sign-index.mjs --new-key printed'],
    description: 'Of who signs the index.',
  }),
});
