import { expect, it } from "vitest";
import { KINDS } from "../../kubernetes/kinds.ts";
import { InProcessApi } from "../../kubernetes/test-server/in-process-api.ts";
import { TestCluster } from "../../kubernetes/test-server/test-cluster.ts";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { findOwnImage, followOwnImage } from "./own-image.ts";

const { signal } = new AbortController();
const NAME = { namespace: "default", name: "injector-1" };

function clusterWith(spec: object): InProcessApi {
  const cluster = new TestCluster();
  cluster.create(KINDS.pods, { apiVersion: "v1", kind: "Pod", metadata: NAME, spec });
  return new InProcessApi(cluster);
}

it.each([
  {
    name: "with everything",
    spec: {
      containers: [{ name: "injector", image: "mirror.example/entente:2", imagePullPolicy: "Always" }],
      imagePullSecrets: [{ name: "pull" }],
    },
    expected: { image: "mirror.example/entente:2", imagePullPolicy: "Always", imagePullSecrets: ["pull"] },
  },
  {
    name: "without a policy or Secrets",
    spec: { containers: [{ name: "injector", image: "entente:2" }] },
    expected: { image: "entente:2", imagePullPolicy: "IfNotPresent", imagePullSecrets: [] },
  },
])("injected pods get their image as the injector's own pod does: $name", async ({ spec, expected }) => {
  expect(await findOwnImage(clusterWith(spec), NAME, signal)).toEqual(expected);
});

it("a pod that does not exist is an error that names the option", async () => {
  const api = clusterWith({ containers: [] });
  await expect(findOwnImage(api, { ...NAME, name: "other" }, signal)).rejects.toThrow("--image");
});

it("the API may be away at the start: the image is known when it responds, and the reason is logged once", async () => {
  const cluster = new TestCluster();
  const clock = new FakeClock();
  const log = new RecordingLogger();
  const image = followOwnImage(NAME, { api: new InProcessApi(cluster), clock, log, signal });
  await clock.advance(20_000);
  expect(image()).toBeUndefined();
  expect(log.records).toHaveLength(1);
  const spec = { containers: [{ name: "injector", image: "entente:2" }] };
  cluster.create(KINDS.pods, { apiVersion: "v1", kind: "Pod", metadata: NAME, spec });
  await clock.advance(3_000);
  expect(image()).toMatchObject({ image: "entente:2" });
});
