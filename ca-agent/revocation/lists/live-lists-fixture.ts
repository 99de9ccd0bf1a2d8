/** For tests: an operator's lists of an authority `root` and its `intermediate`. */
import { FakeClock } from "../../../mesh/fake-clock-fixture.ts";
import { mintRoot } from "../../../mesh/identity/mint-certificate-fixture.ts";
import {
  formatListPem,
  type MintListOptions,
  mintRevocationList,
} from "../../../mesh/identity/mint-revocation-list-fixture.ts";
import { RecordingLogger } from "../../../mesh/recording-logger-fixture.ts";
import { LiveLists } from "./live-lists.ts";

export const root = mintRoot({ commonName: "root" });
export const intermediate = mintRoot({ commonName: "intermediate", issuer: root });
export const unknownRoot = mintRoot({ commonName: "unknown" });

export const one = { entries: [{ serialNumber: "4f" }] };
export const two = {
  entries: [{ serialNumber: "4f" }, { serialNumber: "50" }],
  thisUpdate: new Date("2026-02-01T00:00:00Z"),
};

/** The text of lists, of the root unless another issuer is named. */
export function listsPem(...minted: readonly Partial<MintListOptions>[]): string {
  return minted.map((options) => formatListPem(mintRevocationList({ issuer: root, ...options }))).join("");
}

export type ListsUnderTest = ReturnType<typeof createLists>;

/** Lists that nothing follows: `take` is what was found. */
export function createLists() {
  const clock = new FakeClock();
  const log = new RecordingLogger();
  const waiting: string[] = [];
  const stop = new AbortController();
  let roots: readonly string[] = [root.certificate.toString()];
  let onRoots: () => void = () => undefined;
  const lists = new LiveLists({
    authority: {
      roots: () => roots,
      subscribe: (listener) => {
        onRoots = listener;
        return () => undefined;
      },
    },
    ...{ clock, log, onWaiting: (reason) => void waiting.push(reason), signal: stop.signal },
  });
  return {
    ...{ lists, clock, log, waiting, stop },
    take: (text: string, certificates = "") =>
      lists.take({ kind: "lists", from: "/etc/cacerts/ca-crl.pem", pem: text, certificates }),
    listed: (): readonly string[] => lists.entries().map(({ serialNumber }) => serialNumber),
    /** The authority has other roots, or says the same again. */
    changeRoots: (next: readonly string[] = roots) => {
      roots = next;
      onRoots();
    },
  };
}
