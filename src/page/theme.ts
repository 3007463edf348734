/** Light, dark, or as the system has it: what was chosen is kept in the browser. */
import { computed, effect, signal } from '@preact/signals';

export type Theme = 'auto' | 'light' | 'dark';

const key = 'hawser-theme';
const system = matchMedia('(prefers-color-scheme: dark)');
const systemIsDark = signal(system.matches);
system.addEventListener('change', ({ matches }) => {
  systemIsDark.value = matches;
});

export const theme = signal<Theme>(stored());
export const isDark = computed(() => theme.value === 'dark' || (theme.value === 'auto' && systemIsDark.value));

export function applyTheme(): void {
  effect(() => {
    document.documentElement.dataset.theme = isDark.value ? 'dark' : 'light';
  });
}

export function chooseTheme(next: Theme): void {
  theme.value = next;
  localStorage.setItem(key, next);
}

function stored(): Theme {
  const text = localStorage.getItem(key);
  return text === 'light' || text === 'dark' ? text : 'auto';
}
