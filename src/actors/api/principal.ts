/** Who asks: somebody with a token, or a browser that has logged in. */
import type { Role } from '../../control/roles.ts';

export interface Principal {
  readonly name: string;
  readonly role: Role;
  /** `login`: by a cookie, which a browser sends along whoever made the page that asks. */
  readonly by: 'token' | 'login';
  /** Whether it is still so: a token may be removed, and a login end, while an answer goes on. */
  isValid(): boolean;
}
