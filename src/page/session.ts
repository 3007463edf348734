/** Who looks at the page: a code of `hawser open` in the fragment, a pasted token, or the cookie of before. */
import { ApiError, me as askMe, login, logout, token } from './api.ts';
import { firstVersion, me } from './state.ts';

/** Takes the code out of the address before anything else: it is good for one login, and shall be in no history. */
export function codeOfAddress(): string | undefined {
  const code = /^#login=([A-Za-z0-9_-]+)$/.exec(location.hash)?.[1];
  if (code !== undefined) history.replaceState(null, '', location.pathname + location.search);
  return code;
}

/** Why the login failed; undefined = it did not, or nobody tried. */
export async function begin(code: string | undefined): Promise<ApiError | undefined> {
  let failure: ApiError | undefined;
  if (code !== undefined) {
    token.forget();
    failure = await tried(() => login(code));
  }
  await checkSession();
  return me.peek() === null ? failure : undefined;
}

/** Why it is no good. */
export async function loginWithToken(text: string): Promise<ApiError | undefined> {
  token.set(text.trim());
  const failure = await tried(async () => know(await askMe()));
  if (failure !== undefined) token.forget();
  return failure;
}

export async function leave(): Promise<void> {
  // Who has left asks no more: an answer to that may take a while, and until then streams that end would be asked for again in vain.
  const left = tried(logout);
  token.forget();
  me.value = null;
  await left;
}

/** Nobody answering is no reason to send anybody to the door. */
export async function checkSession(): Promise<void> {
  const failure = await tried(async () => know(await askMe()));
  if (failure?.status === 401 || (failure !== undefined && me.peek() === undefined)) {
    if (failure.status === 401) token.forget();
    me.value = null;
  }
}

function know(who: NonNullable<typeof me.value>): void {
  firstVersion.value ??= who.version;
  me.value = who;
}

async function tried(act: () => Promise<unknown>): Promise<ApiError | undefined> {
  try {
    await act();
    return undefined;
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
}
