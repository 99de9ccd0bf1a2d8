import { hash } from "node:crypto";
import { pause } from "../../../kubernetes/bounded-call.ts";
import { createNamed } from "../../../kubernetes/create-named.ts";
import { KINDS } from "../../../kubernetes/kinds.ts";
import type { KubernetesObject } from "../../../kubernetes/kubernetes-api.ts";
import { Confirmation } from "../../../kubernetes/reflector/confirmation.ts";
import { withoutManagedFields } from "../../../kubernetes/reflector/object-store.ts";
import { type Reflector, startReflector } from "../../../kubernetes/reflector/reflector.ts";
import { MeshError } from "../../../mesh/mesh-error.ts";
import { digestContent, type TrustReadings } from "../../../mesh/policy/authentication/trust-readings.ts";
import type { Timer } from "../../../mesh/runtime.ts";
import { type Moment, momentOf } from "../../../net/moment.ts";
import { rememberLast } from "../../../net/remember-last.ts";
import { startWallTimer } from "../../../net/wall-timer.ts";
import { type AdoptFilesDeps, adoptFiles, type ChangeOutcome, reportRefused } from "../adopt-files.ts";
import type { LiveAuthority } from "../live-authority.ts";
import {
  describeSecret,
  formatRestoredSecret,
  PLUGGED_IN_SECRET,
  readAuthoritySecret,
  SELF_SIGNED_SECRET,
} from "./authority-secret.ts";
import { type OpenedAuthority, openSecretAuthority, type SecretAuthorityOptions } from "./open-secret-authority.ts";

export interface StartSecretAuthorityOptions extends SecretAuthorityOptions, Pick<AdoptFilesDeps, "onChange"> {
  /** Called with the reason while the authority cannot be opened yet. */
  readonly onWaiting?: (reason: string) => void;
  readonly signal: AbortSignal;
}

/** Between attempts to open the authority, or to restore its Secret: an operator's fix is seen within seconds. */
const RETRY_MS = 3000;

/** An authority that follows its Secrets. */
export interface SecretAuthority {
  readonly authority: LiveAuthority;
  /** What is in force of them, and how long ago that was last known to be what is stored. */
  readings(): AuthorityReadings;
}

/** Of the own root only while that is in force. */
export type AuthorityReadings = Required<Pick<TrustReadings, "plugged">> & Pick<TrustReadings, "own">;

/**
 * Opens the authority of the mesh's Secrets, and follows them until the signal aborts. While the API is away, or a Secret
 * is not usable, it waits and says why; it never creates another authority instead.
 */
export async function startSecretAuthority(options: StartSecretAuthorityOptions): Promise<SecretAuthority> {
  const opened = await openPatiently(options);
  const follower = new SecretFollower(options, opened);
  follower.start();
  return { authority: opened.authority, readings: () => follower.readings() };
}

interface ReadAuthority extends OpenedAuthority {
  /** Not later than its Secret was read. */
  readonly readAt: Moment;
}

async function openPatiently(options: StartSecretAuthorityOptions): Promise<ReadAuthority> {
  const { clock, log, signal, onWaiting } = options;
  let reported = "";
  for (;;) {
    signal.throwIfAborted();
    const readAt = momentOf(clock);
    try {
      return { ...(await openSecretAuthority(options)), readAt };
    } catch (caught) {
      const { code, message } = MeshError.from(caught);
      onWaiting?.(message);
      if (message !== reported) {
        log.error({ component: "ca-agent", code, reason: message }, "the certificate authority cannot be opened yet");
      }
      reported = message;
      await pause(clock, RETRY_MS, signal);
    }
  }
}

/** Keeps the authority and its Secrets in step. */
class SecretFollower {
  readonly #options: StartSecretAuthorityOptions;
  readonly #authority: LiveAuthority;
  readonly #plugged: Reflector<KubernetesObject>;
  readonly #selfSigned: Reflector<KubernetesObject>;
  /** The Secret whose content is in force. */
  #inForce: KubernetesObject;
  /** The content that was handled last, in force or refused: each is reported once. */
  #handled: string;
  /** Until a content that was refused because it is not valid yet is looked at again. */
  #early: Timer | undefined;
  #work: Promise<void> = Promise.resolve();
  readonly #confirmations: { readonly plugged: Confirmation; readonly own: Confirmation };

  constructor(options: StartSecretAuthorityOptions, { authority, secret, readAt }: ReadAuthority) {
    this.#options = options;
    this.#authority = authority;
    this.#inForce = secret;
    this.#handled = versionOf(secret);
    this.#plugged = this.#reflect(PLUGGED_IN_SECRET);
    this.#selfSigned = this.#reflect(SELF_SIGNED_SECRET);
    const [digestOf, versionOfSecret] = [rememberLast(digestPublicParts), rememberLast(versionOf)];
    const confirm = (name: string, reflector: Reflector<KubernetesObject>) =>
      new Confirmation({
        digest: () => (this.#inForce.metadata.name === name ? digestOf(this.#inForce) : ""),
        isInForce: () => this.#handled === versionOfSecret(this.#inForce),
        ...{ reflector, since: readAt, clock: options.clock },
      });
    this.#confirmations = {
      plugged: confirm(PLUGGED_IN_SECRET, this.#plugged),
      own: confirm(SELF_SIGNED_SECRET, this.#selfSigned),
    };
  }

  readings(): AuthorityReadings {
    const { plugged, own } = this.#confirmations;
    const isOwn = this.#inForce.metadata.name === SELF_SIGNED_SECRET;
    return { plugged: plugged.read(), ...(isOwn && { own: own.read() }) };
  }

  start(): void {
    const stop = (): void => {
      this.#authority.stop();
      this.#early?.cancel();
    };
    this.#options.signal.addEventListener("abort", stop, { once: true });
    for (const { synced } of [this.#plugged, this.#selfSigned]) void synced.then(() => this.#check());
  }

  #reflect(name: string): Reflector<KubernetesObject> {
    const { namespace, signal } = this.#options;
    return startReflector(this.#options, {
      selection: { kind: KINDS.secrets, namespace, fieldSelector: `metadata.name=${name}` },
      transform: withoutManagedFields,
      onChanges: () => this.#check(),
      signal,
    });
  }

  /** One check at a time; each looks at the newest state. */
  #check(): void {
    const confirmations = Object.values(this.#confirmations);
    for (const confirmation of confirmations) confirmation.begin();
    this.#work = this.#work
      .then(async () => {
        const isKnown = this.#plugged.hasSynced && this.#selfSigned.hasSynced;
        if (isKnown && !this.#options.signal.aborted) await this.#follow();
      })
      // An unexpected fault must not end the following.
      .catch((caught: unknown) => reportRefused(this.#authority, caught, this.#options))
      .finally(() => {
        for (const confirmation of confirmations) confirmation.end();
      });
  }

  async #follow(): Promise<void> {
    const [plugged] = this.#plugged.objects.values();
    const [selfSigned] = this.#selfSigned.objects.values();
    const chosen = plugged ?? selfSigned;
    const version = chosen === undefined ? LOST : versionOf(chosen);
    if (version !== this.#handled) this.#early?.cancel();
    if (chosen === undefined) return await this.#replaceLost();
    if (version === this.#handled) return;
    this.#handled = version;
    try {
      const onChange = (outcome: ChangeOutcome): void => {
        // At once: what is sent from now on has the new roots.
        if (outcome === "in_force") this.#inForce = chosen;
        this.#options.onChange?.(outcome);
      };
      const onEarly = (validFromMs: number): void => {
        this.#early = startWallTimer(this.#options.clock, validFromMs, () => this.#checkAgain());
      };
      const deps = { ...this.#options, onChange, onEarly };
      const outcome = await adoptFiles(this.#authority, readAuthoritySecret(chosen), deps);
      if (outcome === "in_force") this.#inForce = chosen;
    } catch (caught) {
      reportRefused(this.#authority, caught, this.#options);
    }
  }

  #checkAgain(): void {
    this.#handled = UNHANDLED;
    this.#check();
  }

  /**
   * A lost Secret of our own is created again from memory: without it the next control plane would create another root.
   * An operator's own Secret is the operator's to restore.
   */
  async #replaceLost(): Promise<void> {
    const { clock, log, signal } = this.#options;
    const from = describeSecret(this.#inForce);
    const isNew = this.#handled !== LOST;
    this.#handled = LOST;
    if (this.#inForce.metadata.name !== SELF_SIGNED_SECRET) {
      const reason = `${from} was deleted: ${PLUGGED_IN_FIX}`;
      if (isNew) log.error({ component: "ca-agent", from }, reason);
      this.#authority.refuse(reason);
      return;
    }
    try {
      const created = await createNamed(KINDS.secrets, formatRestoredSecret(this.#inForce), this.#options);
      if (created !== undefined)
        log.warn({ component: "ca-agent", from }, `${from} was deleted, and created again from memory`);
    } catch (caught) {
      if (signal.aborted) return;
      const { code, message } = MeshError.from(caught);
      this.#authority.refuse(`${from} was deleted, and cannot be stored again: ${message}`);
      if (isNew)
        log.error({ component: "ca-agent", code, reason: message }, `${from} was deleted and is not restored yet`);
      clock.setTimeout(() => this.#check(), RETRY_MS);
    }
  }
}

const LOST = "lost";
const UNHANDLED = "unhandled";
const PLUGGED_IN_FIX =
  "its authority stays in force while control planes run, but none can start any more; restore the Secret";

/** Content, not resourceVersion: after a restored backup one version can name two states. */
function versionOf(secret: KubernetesObject): string {
  return hash("sha256", JSON.stringify([secret.metadata.name, secret["data"]]));
}

function digestPublicParts(secret: KubernetesObject): string {
  const { certificatePem, rootsPem = "", chainPem = "" } = readAuthoritySecret(secret);
  return digestContent([certificatePem, rootsPem, chainPem]);
}
