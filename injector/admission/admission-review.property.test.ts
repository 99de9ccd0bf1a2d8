import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { reviewAdmission } from "./admission-review.ts";
import { TEST_DEPS, TEST_SETTINGS } from "./pod-fixture.ts";

const CORPUS = join(import.meta.dirname, "..", "review", "corpus");
const reviews = ["deployment.json", "pod-with-proxy-container.json", "ephemeral-container.json"].map((name) =>
  readFileSync(join(CORPUS, name), "utf8"),
);

const ANNOTATIONS = [
  "proxy.istio.io/config",
  "sidecar.istio.io/proxyImage",
  "sidecar.istio.io/proxyCPU",
  "sidecar.istio.io/nativeSidecar",
  "traffic.sidecar.istio.io/excludeOutboundPorts",
  "prometheus.io/port",
  "inject.istio.io/templates",
  "sidecar.istio.io/status",
];

const anyText = fc.oneof(
  fc.string(),
  fc.json(),
  fc.constantFrom("true", "a: &a [*a]", "<<: *x", "holdApplicationUntilProxyStarts: true", "\u0000", "../..:@"),
);

/** A review in which one value anywhere is replaced by another. */
const damaged = fc
  .tuple(fc.constantFrom(...reviews), fc.nat(), fc.jsonValue(), fc.dictionary(fc.constantFrom(...ANNOTATIONS), anyText))
  .map(([text, place, value, annotations]) => {
    const review = JSON.parse(text);
    review.request.object.metadata.annotations = annotations;
    const places = listPlaces(review.request.object);
    const [parent, key] = places[place % places.length] ?? [];
    if (parent !== undefined && key !== undefined) parent[key] = value;
    return JSON.stringify(review);
  });

type Parent = Record<string, unknown>;

function listPlaces(value: unknown): readonly (readonly [Parent, string])[] {
  if (!isParent(value)) return [];
  return Object.keys(value).flatMap((key) => [[value, key] as const, ...listPlaces(value[key])]);
}

function isParent(value: unknown): value is Parent {
  return typeof value === "object" && value !== null;
}

describe("a review with anything in it", () => {
  it.each([true, false])(
    "is answered with its uid and within the limits, never with an exception (native: %s)",
    (nativeSidecar) => {
      fc.assert(
        fc.property(damaged, (text) => {
          const result = reviewAdmission(text, { ...TEST_DEPS, settings: { ...TEST_SETTINGS, nativeSidecar } });
          if (result.kind === "malformed") throw new Error(result.message);
          const { response } = result.review;
          expect(response.uid).toBe(JSON.parse(text).request.uid);
          const sizes = (response.warnings ?? []).map((warning) => Buffer.byteLength(warning));
          expect(Math.max(0, ...sizes)).toBeLessThanOrEqual(256);
          expect((response.status?.message ?? "").length).toBeLessThan(4_200);
          if (!response.allowed) expect(response.status?.message).not.toBe("");
        }),
        { numRuns: 300 },
      );
    },
  );

  it("that is any text is answered, or is no review", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(["reviewed", "malformed"]).toContain(reviewAdmission(text, TEST_DEPS).kind);
      }),
    );
  });
});
