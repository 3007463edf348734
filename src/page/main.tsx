/** Begins: the theme before anything is drawn, the code out of the address, then the page. */
import { render } from 'preact';
import { App } from './app.tsx';
import { begin, codeOfAddress } from './session.ts';
import { applyTheme } from './theme.ts';

applyTheme();
const code = codeOfAddress();
const target = document.getElementById('page');
if (target !== null) {
  const failure = await begin(code);
  render(<App failure={failure} />, target);
}
