import { AUTHORITY_FILE_NAMES } from "../../authority/authority-files.ts";

/** The names beside Istio's four, which Istio and older versions do not read. */
export const NAMES = {
  record: "rotation.json",
  nextCertificate: "next-ca-cert.pem",
  nextKey: "next-ca-key.pem",
  previousCertificate: "previous-ca-cert.pem",
  previousKey: "previous-ca-key.pem",
} as const;

/** What is stored only while a rotation is in progress, or after one. */
export const ROTATION_FILE_NAMES: readonly string[] = Object.values(NAMES);

/** All names of an authority that control planes have created for themselves. */
export const OWN_FILE_NAMES: readonly string[] = [...new Set([...AUTHORITY_FILE_NAMES, ...ROTATION_FILE_NAMES])];
