/** Regular expressions of the configuration, tried on what strangers send. */
import { createContext, Script } from 'node:vm';

/** An expression that has not matched by then goes back and forth over the text (`(a+)+$`): it would hold the thread for ever. */
const mostMs = 50;

interface Trial {
  pattern: string;
  text: string;
}

const trial: Trial = { pattern: '', text: '' };
const context = createContext(trial);
const script = new Script("new RegExp(pattern, 'u').test(text)");

/** Whether `text` matches `pattern` (flag u); undefined when that takes longer than 50 ms. */
export function matchesWithin(pattern: string, text: string): boolean | undefined {
  trial.pattern = pattern;
  trial.text = text;
  try {
    return script.runInContext(context, { timeout: mostMs }) === true;
  } catch (error) {
    // It comes from the other context, whose Error is not ours.
    const isObject = typeof error === 'object' && error !== null;
    if (isObject && Reflect.get(error, 'code') === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return undefined;
    throw error;
  }
}
