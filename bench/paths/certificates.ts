import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { CLIENT_ID, SERVER_ID, SERVER_NAME } from "./identities.ts";

/** PEM files that every path is given, so that all of them do the same cryptography: P-256, one root, one leaf a side. */
export interface CertificateFiles {
  readonly root: string;
  /** Certificate and key in one file. */
  readonly client: string;
  readonly server: string;
}

const DAY_MS = 86_400_000;

/** Writes new certificates into a folder of the bench's own. They are good for a day. */
export function writeCertificates(folder: string, nowMs: number): CertificateFiles {
  const issuer = mintRoot();
  const write = (name: string, text: string): string => {
    const file = join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  const leaf = (uri: string, dnsSans: readonly string[]): string => {
    const dates = { notBefore: new Date(nowMs - DAY_MS), notAfter: new Date(nowMs + DAY_MS) };
    const { pem, keyPem } = mintLeaf({ issuer, uriSans: [uri], dnsSans, ...dates });
    return pem + keyPem;
  };
  return {
    root: write("root.pem", issuer.pem),
    client: write("client.pem", leaf(CLIENT_ID, [])),
    server: write("server.pem", leaf(SERVER_ID, [SERVER_NAME])),
  };
}
