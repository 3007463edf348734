/** The transport `test` serves our own tests: nobody else can write it down. */
export function offersTestTransport(): boolean {
  return process.env.HAWSER_TEST_TRANSPORT === '1';
}
