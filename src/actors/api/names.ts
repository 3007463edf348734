/** How operations are called by HTTP. */
import { type OperationName, operations } from '../../control/operations.ts';

export const apiPrefix = '/api/v1';

export function pathOf(name: OperationName): string {
  return `/${name.replaceAll('.', '/')}`;
}

/** Of the operations that are called by HTTP: `follow` has a stream of its own. */
export function calledNames(): OperationName[] {
  const names = Object.keys(operations) as OperationName[];
  return names.filter((name) => operations[name].who !== 'socket' && operations[name].effect !== 'follows');
}
