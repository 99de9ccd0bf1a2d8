import { open, realpath } from "node:fs/promises";
import { join } from "node:path";
import { pause } from "../../../kubernetes/bounded-call.ts";
import { KINDS } from "../../../kubernetes/kinds.ts";
import type { KubernetesApi, KubernetesObject } from "../../../kubernetes/kubernetes-api.ts";
import { Confirmation } from "../../../kubernetes/reflector/confirmation.ts";
import { withoutManagedFields } from "../../../kubernetes/reflector/object-store.ts";
import { startReflector } from "../../../kubernetes/reflector/reflector.ts";
import { isNoSuchFile, MeshError } from "../../../mesh/mesh-error.ts";
import { digestContent, type SourceReading } from "../../../mesh/policy/authentication/trust-readings.ts";
import type { Random } from "../../../mesh/runtime.ts";
import { rememberLast } from "../../../net/remember-last.ts";
import { describeSecret, PLUGGED_IN_SECRET } from "../../authority/secrets/authority-secret.ts";
import { CaError } from "../../ca-error.ts";
import { type FoundLists, LiveLists, type LiveListsDeps } from "./live-lists.ts";

/** Istio's name, beside the plugged-in certificates. */
const LISTS_FILE = "ca-crl.pem";
/** Istio's names and cert-manager's, of what may have signed a list. */
const CERTIFICATE_FILES = ["ca-cert.pem", "cert-chain.pem", "tls.crt"];
const MAX_FILE_BYTES = 2 * 1024 * 1024;
const OTHERS_WRITE = 0o022;
const POLL_MS = 2000;

/**
 * Follows the revocation lists in the authority's directory until the signal aborts. Resolves once they are usable, or
 * there are none; until then the control plane must not serve.
 */
export async function followDirectoryLists(directory: string, deps: LiveListsDeps): Promise<LiveLists> {
  const { clock, signal } = deps;
  const lists = new LiveLists(deps);
  let seen = "";
  const check = async (): Promise<void> => {
    const found = await findInDirectory(directory);
    const version = found.kind === "unreadable" ? found.error.message : JSON.stringify(found);
    if (version === seen) return;
    seen = version;
    lists.take(found);
  };
  const follow = async (): Promise<void> => {
    while (!signal.aborted) await pause(clock, POLL_MS, signal).then(check);
  };
  await check();
  void follow().catch(() => undefined);
  await lists.opened();
  return lists;
}

export interface FollowSecretListsDeps extends LiveListsDeps {
  readonly api: KubernetesApi;
  /** The mesh's root namespace. */
  readonly namespace: string;
  readonly random: Random;
}

/** The lists of a Secret. */
export interface SecretLists {
  readonly lists: LiveLists;
  /** What the lists in force were read from, and how long ago that was last known to be what is stored. */
  reading(): SourceReading;
}

/** The same for the operator's Secret `cacerts`, the only one that Istio reads lists from. */
export async function followSecretLists(deps: FollowSecretListsDeps): Promise<SecretLists> {
  const { namespace, clock, signal } = deps;
  const lists = new LiveLists(deps);
  const check = (): void => {
    const [secret] = reflector.objects.values();
    confirmation.begin();
    if (reflector.hasSynced && !signal.aborted) lists.take(findInSecret(secret));
    confirmation.end();
  };
  const reflector = startReflector(deps, {
    selection: { kind: KINDS.secrets, namespace, fieldSelector: `metadata.name=${PLUGGED_IN_SECRET}` },
    transform: withoutManagedFields,
    onChanges: check,
    signal,
  });
  const digestOf = rememberLast((found: FoundLists | undefined) =>
    digestContent(found?.kind === "lists" ? found.pem : ""),
  );
  const confirmation = new Confirmation({
    digest: () => digestOf(lists.accepted()),
    isInForce: () => lists.fault() === undefined,
    reflector,
    clock,
  });
  void reflector.synced.then(check);
  await lists.opened();
  return { lists, reading: () => confirmation.read() };
}

function findInSecret(secret: KubernetesObject | undefined): FoundLists {
  const data = secret?.["data"];
  if (secret === undefined || typeof data !== "object" || data === null) return { kind: "absent" };
  const read = (name: string): string => {
    const value: unknown = Reflect.get(data, name);
    return typeof value === "string" ? Buffer.from(value, "base64").toString("utf8") : "";
  };
  return foundLists(`${LISTS_FILE} of ${describeSecret(secret)}`, read(LISTS_FILE), CERTIFICATE_FILES.map(read));
}

async function findInDirectory(directory: string): Promise<FoundLists> {
  // As the authority's own files: the link is followed once, so that all files are of one version of the volume.
  const home = await realpath(join(directory, "..data")).catch(() => directory);
  const path = join(directory, LISTS_FILE);
  try {
    const pem = await readText(join(home, LISTS_FILE), path);
    const certificates = await Promise.all(
      CERTIFICATE_FILES.map((name) => readText(join(home, name), join(directory, name))),
    );
    return foundLists(path, pem, certificates);
  } catch (caught) {
    return { kind: "unreadable", error: MeshError.from(caught) };
  }
}

/** An empty value counts as absent, as for the authority's other files. */
function foundLists(from: string, pem: string, certificates: readonly string[]): FoundLists {
  return pem.trim() === "" ? { kind: "absent" } : { kind: "lists", from, pem, certificates: certificates.join("\n") };
}

/** Empty if there is no such file. */
async function readText(realPath: string, path: string): Promise<string> {
  try {
    await using file = await open(realPath, "r");
    const { size, mode } = await file.stat();
    if (size > MAX_FILE_BYTES) throw listError(`${path} has ${size} bytes, the limit is ${MAX_FILE_BYTES}`);
    if ((mode & OTHERS_WRITE) !== 0)
      throw listError(`${path} could be written by another user: run "chmod go-w ${path}"`);
    return await file.readFile("utf8");
  } catch (caught) {
    if (isNoSuchFile(caught)) return "";
    throw caught instanceof CaError ? caught : listError(`${path} cannot be read: ${MeshError.from(caught).message}`);
  }
}

function listError(message: string): CaError {
  return new CaError("revocation_list", message);
}
