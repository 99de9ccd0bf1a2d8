import type {} from "node-forge";

declare module "node-forge" {
  namespace asn1 {
    /** As forge 1.4 has it; the published types know the strict flag alone. */
    function fromDer(
      bytes: string,
      options: {
        readonly strict: boolean;
        readonly parseAllBytes: boolean;
        readonly decodeBitStrings: boolean;
        readonly maxDepth: number;
      },
    ): Asn1;
  }
}
