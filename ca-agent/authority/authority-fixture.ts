/** For tests: the files of authorities that a test mints. */
import { execFileSync } from "node:child_process";
import type { MintedCertificate } from "../../mesh/identity/mint-certificate-fixture.ts";
import { type AuthorityFiles, ISTIO_FORM, selectAuthorityFiles } from "./authority-files.ts";

export interface MintedAuthority {
  readonly signer: MintedCertificate;
  /** The bundle; the signer's own root must be among them. */
  readonly roots: readonly MintedCertificate[];
  /** @default the signer alone */
  readonly intermediates?: readonly MintedCertificate[];
}

/** Istio's four files by name. */
export function textsOf({
  signer,
  roots,
  intermediates = [signer],
}: MintedAuthority): Readonly<Record<string, string>> {
  return {
    [ISTIO_FORM.certificate]: signer.pem,
    [ISTIO_FORM.key]: signer.keyPem,
    [ISTIO_FORM.roots]: roots.map(({ pem }) => pem).join(""),
    [ISTIO_FORM.chain]: intermediates.map(({ pem }) => pem).join(""),
  };
}

export function filesOf(authority: MintedAuthority): AuthorityFiles {
  const texts = new Map(Object.entries(textsOf(authority)));
  const files = selectAuthorityFiles({ from: "the test", locate: (name) => name, texts });
  if (files === undefined) throw new TypeError("there are no files");
  return files;
}

/** A workload's signing request, made by openssl. */
export function createCsr(): string {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null"];
  return execFileSync("openssl", ["req", "-new", ...key, "-subj", "/"], { encoding: "utf8", stdio: "pipe" });
}
