/** A certificate's manager with a clock, randomness and an authority that a test controls. */
import type { KeyObject } from "node:crypto";
import { FakeClock, settlePromises } from "../../mesh/fake-clock-fixture.ts";
import {
  type MintedCertificate,
  type MintLeafOptions,
  mintLeaf,
  mintRoot,
} from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { createSvidKey } from "./csr.ts";
import type { CertificateResponse } from "./request-svid.ts";
import { createSecureContextSource } from "./secure-context-source.ts";
import { type SvidManager, startSvidManager } from "./svid-manager.ts";

export const IDENTITY = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");
export const ROOT = mintRoot();
export const OTHER_ROOT = mintRoot({ commonName: "other root" });
export const trustDomains = [parseTrustDomain("cluster.local")];
export const HOUR_MS = 3_600_000;
export const LIFE_MS = 24 * HOUR_MS;

/** Responds to one request, given its key. */
export type Answer = (key: KeyObject) => Promise<CertificateResponse>;

export interface IssueOptions extends Partial<MintLeafOptions> {
  readonly lifeMs?: number;
  readonly controlPlaneRoots?: readonly MintedCertificate[];
}

/** What an authority responds. */
export function issueCertificate(
  options: IssueOptions & { readonly key: KeyObject; readonly nowMs: number },
): CertificateResponse {
  const { nowMs, lifeMs = LIFE_MS, controlPlaneRoots = [], issuer = ROOT, ...leaf } = options;
  const notBefore = new Date(nowMs - 120_000);
  const notAfter = new Date(nowMs + lifeMs);
  const minted = mintLeaf({ issuer, uriSans: [IDENTITY], notBefore, notAfter, ...leaf });
  return {
    chain: [minted.pem, issuer.pem],
    controlPlaneRoots: controlPlaneRoots.map(({ certificate }) => certificate),
  };
}

export class SvidFixture {
  readonly clock = new FakeClock();
  readonly log = new RecordingLogger();
  readonly source = createSecureContextSource({
    trust: { roots: [ROOT.certificate], trustDomains },
    clock: this.clock,
  });
  readonly meter = { requested: 0, retried: 0, failed: 0, succeeded: 0 };
  readonly keys: KeyObject[] = [];
  /** When each request was made. */
  readonly requests: number[] = [];
  /** Used in turn; the last one repeats. */
  answers: Answer[] = [this.issue()];
  /** The random number. */
  share = 0.5;
  #manager: SvidManager | undefined;

  get manager(): SvidManager {
    if (this.#manager === undefined) throw new Error("not started");
    return this.#manager;
  }

  async start(): Promise<void> {
    this.#manager = startSvidManager({
      identity: IDENTITY,
      source: this.source,
      clock: this.clock,
      log: this.log,
      random: () => this.share,
      meter: {
        certificateRequested: (isRetry) => {
          this.meter.requested += 1;
          if (isRetry) this.meter.retried += 1;
        },
        certificateRequestEnded: (isSuccess) => {
          this.meter[isSuccess ? "succeeded" : "failed"] += 1;
        },
      },
      createKey: () => {
        const key = createSvidKey();
        this.keys.push(key);
        return key;
      },
      request: () => this.#answer(),
    });
    await settlePromises();
  }

  issue(options: IssueOptions = {}): Answer {
    return async (key) => issueCertificate({ key, nowMs: this.clock.now(), ...options });
  }

  #answer(): Promise<CertificateResponse> {
    this.requests.push(this.clock.now());
    const answer = this.answers.length > 1 ? this.answers.shift() : this.answers[0];
    const key = this.keys.at(-1);
    return answer === undefined || key === undefined ? Promise.reject(new Error("no response")) : answer(key);
  }
}

export function fail(message = "connection refused"): Answer {
  return () => Promise.reject(new Error(message));
}

export const silence: Answer = () => new Promise(() => undefined);
