import type {} from "node-forge";

declare module "node-forge" {
  namespace asn1 {
    /** As in forge 1.4; the published types only have the strict flag. */
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
