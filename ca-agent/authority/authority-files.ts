import { CaError } from "../ca-error.ts";

/** The names of an authority's files. */
export interface FileForm {
  readonly certificate: string;
  readonly key: string;
  readonly roots: string;
  readonly chain: string;
}

/** Istio's `cacerts`. */
export const ISTIO_FORM: FileForm = {
  certificate: "ca-cert.pem",
  key: "ca-key.pem",
  roots: "root-cert.pem",
  chain: "cert-chain.pem",
};

/** A Secret of type `kubernetes.io/tls`, as cert-manager writes it: the intermediates follow the certificate. */
const TLS_FORM: FileForm = { certificate: "tls.crt", key: "tls.key", roots: "ca.crt", chain: "tls.crt" };

/** All names that an authority may consist of. */
export const AUTHORITY_FILE_NAMES: readonly string[] = [
  ...new Set([TLS_FORM, ISTIO_FORM].flatMap((form) => Object.values(form))),
];

/** The PEM texts of an authority. */
export interface AuthorityFiles {
  /** The directory or Secret that they come from. */
  readonly from: string;
  /** For messages: the full name of a part. */
  locate(part: keyof FileForm): string;
  readonly certificatePem: string;
  readonly keyPem: string;
  /** Absent if the certificate is its own root. */
  readonly rootsPem: string | undefined;
  readonly chainPem: string | undefined;
  /** Of the mesh's own root. */
  readonly rotation?: RotationMark;
}

/** What the stored state of a rotation tells a running authority. */
export interface RotationMark {
  /** Grows with each stored state. */
  readonly revision: number;
  /** The roots, PEM, of which leaves may be valid: they must stay trusted. */
  readonly leavesOf: readonly string[];
  /** The fingerprints of the roots that left when rotations ended: none of their leaves is valid any more. */
  readonly dropped: readonly string[];
}

/** Texts by name, with the way to name them in a message. */
export interface FileTexts {
  readonly from: string;
  locate(name: string): string;
  readonly texts: ReadonlyMap<string, string>;
}

/**
 * Selects an authority's files among all that are there; `tls.crt` comes before Istio's names, as in Istio.
 * @returns undefined if none of them exists. An incomplete set is an error.
 */
export function selectAuthorityFiles({ from, locate, texts }: FileTexts): AuthorityFiles | undefined {
  const form = texts.has(TLS_FORM.certificate) || texts.has(TLS_FORM.key) ? TLS_FORM : ISTIO_FORM;
  if (Object.values(form).every((name) => !texts.has(name))) return undefined;
  const read = (name: string): string => {
    const text = texts.get(name);
    if (text === undefined) throw missingFile(locate(name), form);
    return text;
  };
  return {
    from,
    locate: (part) => locate(form[part]),
    certificatePem: read(form.certificate),
    keyPem: read(form.key),
    rootsPem: texts.get(form.roots),
    chainPem: texts.get(form.chain),
  };
}

function missingFile(path: string, form: FileForm): CaError {
  const names = [...new Set(Object.values(form))].join(", ");
  return new CaError(
    "authority_files",
    `${path} is missing, but other files of the authority exist: restore it, or remove all of ${names} to create a new ` +
      "authority, which every workload must then trust",
    { details: { path } },
  );
}
