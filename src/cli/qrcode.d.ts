/** The part of the library `qrcode` that is used here; its own package has no types. */
declare module 'qrcode' {
  export interface BitMatrix {
    readonly size: number;
    /** 0 = light. */
    get(row: number, column: number): number | boolean;
  }

  export function create(
    text: string,
    options: { readonly errorCorrectionLevel: 'L' | 'M' | 'Q' | 'H' },
  ): { readonly modules: BitMatrix };
}
