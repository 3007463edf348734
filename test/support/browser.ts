/** A real Chromium on a host of a lab, and what it complained of. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import type { Host, Lab } from './netns.ts';

const program = '/usr/bin/chromium';

/** Why no browser can be started here, or false. */
export function browserSkipReason(): string | false {
  return existsSync(program) ? false : `needs ${program} (apt-get install chromium)`;
}

/** Runs in the host's namespace: playwright talks to it by pipes that `ip netns exec` passes on. */
export function startBrowser(lab: Lab, host: Host): Promise<Browser> {
  const wrapper = path.join(lab.folder, `chromium-${host.name}`);
  writeFileSync(wrapper, `#!/bin/sh\nexec ip netns exec ${host.namespace} ${program} "$@"\n`, { mode: 0o755 });
  const args = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'];
  return chromium.launch({ executablePath: wrapper, args, env: { ...process.env, HOME: lab.folder }, timeout: 60_000 });
}

export interface Watched {
  readonly page: Page;
  /** Errors of scripts and of the console, broken rules of the content security policy among them. */
  readonly faults: string[];
  /** Origins that anything was asked of. */
  readonly origins: Set<string>;
}

export async function openPage(context: BrowserContext): Promise<Watched> {
  const page = await context.newPage();
  const watched: Watched = { page, faults: [], origins: new Set() };
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') watched.faults.push(message.text());
  });
  page.on('pageerror', (error) => void watched.faults.push(String(error)));
  page.on('request', (request) => {
    const { protocol, origin } = new URL(request.url());
    if (protocol.startsWith('http')) watched.origins.add(origin);
  });
  return watched;
}

/** Goes to a view by the navigation, as a person does. */
export const view = (page: Page, name: string): Promise<void> => page.getByRole('navigation').getByText(name).click();

/** For people to look at: a picture of a phone's width and of a desk's in the folder that HAWSER_SCREENSHOTS names, if it names one. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env.HAWSER_SCREENSHOTS;
  const before = page.viewportSize();
  if (folder === undefined || before === null) return;
  mkdirSync(folder, { recursive: true });
  for (const width of [390, 1280]) {
    await page.setViewportSize({ width, height: before.height });
    // The plot follows the width of its place.
    await page.waitForTimeout(500);
    await page.screenshot({ path: path.join(folder, `${name}-${width}.png`), fullPage: true });
  }
  await page.setViewportSize(before);
}

/** Serious and critical findings of axe. */
export async function findings(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`);
}
