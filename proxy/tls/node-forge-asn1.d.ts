/** Only node-forge's ASN.1 part: the whole package costs the sidecar several megabytes. */
declare module "node-forge/lib/asn1.js" {
  import { asn1 } from "node-forge";
  export = asn1;
}
