/** Actors that no packet needs: they start when an instance is ready and operators can ask it, and are tried again when they fail. */
export const besideActors: readonly string[] = ['api-server', 'history-keeper', 'webhook-sender', 'plugin-host'];
