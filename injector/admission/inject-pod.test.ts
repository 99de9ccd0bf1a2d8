import { describe, expect, it } from "vitest";
import { validatePod } from "./pod.ts";
import { annotated, container, createPod, env, inject, TEST_SETTINGS } from "./pod-fixture.ts";

describe("an injected pod", () => {
  const { pod } = inject(createPod());

  it("has the proxy as its last container and istio-init among the init containers", () => {
    expect(pod.spec.containers.map(({ name }) => name)).toEqual(["hello", "istio-proxy"]);
    expect(pod.spec.initContainers?.map(({ name }) => name)).toEqual(["istio-init"]);
    expect(container(pod, "istio-proxy").image).toBe("registry.test/entente:1");
    expect(container(pod, "istio-init").image).toBe("registry.test/entente:1");
  });

  it("runs the proxy as its own user, without capabilities, on a read-only file system", () => {
    expect(container(pod, "istio-proxy").securityContext).toEqual({
      runAsUser: 1337,
      runAsGroup: 1337,
      runAsNonRoot: true,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      privileged: false,
      capabilities: { drop: ["ALL"] },
      // Pod Security `restricted`.
      seccompProfile: { type: "RuntimeDefault" },
    });
  });

  it("gives network capabilities only to the init container", () => {
    expect(container(pod, "istio-init").securityContext).toMatchObject({
      runAsUser: 0,
      runAsNonRoot: false,
      privileged: false,
      allowPrivilegeEscalation: false,
      capabilities: { add: ["NET_ADMIN", "NET_RAW"], drop: ["ALL"] },
    });
  });

  it("captures with Istio's defaults", () => {
    const args = container(pod, "istio-init")["args"];
    expect(args).toEqual(
      ["capture", "apply", "-p", "15001", "-z", "15006", "-u", "1337", "-g", "1337", "-m", "REDIRECT"].concat([
        "-i",
        "*",
        "-x",
        "",
        "-b",
        "*",
        "-d",
        "15090,15021,15020",
      ]),
    );
  });

  it("gives the proxy its identity in environment variables", () => {
    expect(container(pod, "istio-proxy")["args"]).toEqual(["proxy", "sidecar"]);
    expect(env(pod)).toMatchObject({
      CA_ADDR: "istiod.istio-system.svc:15012",
      TRUST_DOMAIN: "cluster.local",
      POD_NAME: { fieldRef: { fieldPath: "metadata.name" } },
      POD_NAMESPACE: { fieldRef: { fieldPath: "metadata.namespace" } },
      INSTANCE_IP: { fieldRef: { fieldPath: "status.podIP" } },
      SERVICE_ACCOUNT: { fieldRef: { fieldPath: "spec.serviceAccountName" } },
      ISTIO_META_WORKLOAD_NAME: "hello-tls",
      ISTIO_META_OWNER: "kubernetes://apis/apps/v1/namespaces/ns1/deployments/hello-tls",
    });
  });

  it("mounts a token for the CA and the control plane's root certificates", () => {
    expect(pod.spec.volumes).toEqual([
      {
        name: "istio-token",
        projected: {
          sources: [{ serviceAccountToken: { path: "istio-token", expirationSeconds: 43200, audience: "istio-ca" } }],
        },
      },
      { name: "istiod-ca-cert", configMap: { name: "istio-ca-root-cert" } },
    ]);
    expect(container(pod, "istio-proxy").volumeMounts).toEqual([
      { name: "istio-token", mountPath: "/var/run/secrets/tokens", readOnly: true },
      { name: "istiod-ca-cert", mountPath: "/var/run/secrets/istio", readOnly: true },
    ]);
  });

  it("is probed for readiness and has a port for metrics", () => {
    const proxy = container(pod, "istio-proxy");
    expect(proxy.readinessProbe).toMatchObject({
      httpGet: { path: "/healthz/ready", port: 15021 },
      failureThreshold: 4,
    });
    expect(proxy.startupProbe).toMatchObject({
      httpGet: { path: "/healthz/ready", port: 15021 },
      failureThreshold: 600,
    });
    expect(proxy.ports).toEqual([{ name: "http-envoy-prom", containerPort: 15090, protocol: "TCP" }]);
  });

  it("has Istio's labels and annotations", () => {
    expect(pod.metadata?.labels).toMatchObject({
      "security.istio.io/tlsMode": "istio",
      "service.istio.io/canonical-name": "hello",
      "service.istio.io/canonical-revision": "v1-tls",
      app: "hello",
    });
    expect(pod.metadata?.annotations).toMatchObject({
      "istio.io/rev": "default",
      "kubectl.kubernetes.io/default-container": "hello",
      "kubectl.kubernetes.io/default-logs-container": "hello",
      "prometheus.io/scrape": "true",
      "prometheus.io/port": "15020",
      "prometheus.io/path": "/stats/prometheus",
    });
    expect(JSON.parse(pod.metadata?.annotations?.["sidecar.istio.io/status"] ?? "")).toEqual({
      initContainers: ["istio-init"],
      containers: ["istio-proxy"],
      volumes: ["istio-token", "istiod-ca-cert"],
      imagePullSecrets: [],
      revision: "default",
    });
  });
});

describe("the user's own settings", () => {
  it("stay: labels, default container and unknown fields", () => {
    const before = createPod(
      {
        labels: { "security.istio.io/tlsMode": "disabled", "service.istio.io/canonical-name": "mine" },
        annotations: { "kubectl.kubernetes.io/default-container": "other" },
        finalizers: ["x"],
      },
      {
        tolerations: [{ key: "a" }],
        containers: [{ name: "hello", resizePolicy: [{ a: 1 }], env: [{ name: "TEXT" }] }],
      },
    );
    const { pod } = inject(before);
    expect(pod.metadata?.labels).toMatchObject({
      "security.istio.io/tlsMode": "disabled",
      "service.istio.io/canonical-name": "mine",
    });
    expect(pod.metadata?.annotations?.["kubectl.kubernetes.io/default-container"]).toBe("other");
    expect(pod.metadata?.["finalizers"]).toEqual(["x"]);
    expect(pod.spec["tolerations"]).toEqual([{ key: "a" }]);
    expect(pod.spec.containers[0]).toEqual(before.spec.containers[0]);
  });

  it("do not include a status annotation that stops injection", () => {
    const { pod } = inject(annotated({ "sidecar.istio.io/status": '{"containers":["istio-proxy"]}' }));
    expect(container(pod, "istio-proxy").image).toBe(TEST_SETTINGS.image);
  });

  it("cannot run another program as istio-proxy: its image is replaced, with a warning", () => {
    const mine = {
      name: "istio-proxy",
      image: "attacker/shell",
      command: ["sh"],
      args: ["-c", "id"],
      securityContext: { runAsUser: 1337, privileged: true },
      env: [
        { name: "EXTRA", value: "1" },
        { name: "CA_ADDR", value: "attacker:1" },
      ],
      volumeMounts: [{ name: "cache", mountPath: "/cache" }],
      resources: { limits: { cpu: "3" } },
    };
    const { pod, warnings } = inject(createPod({}, { containers: [mine, { name: "hello" }] }));
    const proxy = container(pod, "istio-proxy");
    expect(proxy).toMatchObject({
      image: TEST_SETTINGS.image,
      args: ["proxy", "sidecar"],
      resources: { limits: { cpu: "3" } },
    });
    expect(proxy).not.toHaveProperty("command");
    expect(proxy.securityContext).toMatchObject({ privileged: false, runAsNonRoot: true });
    expect(env(pod)).toMatchObject({ EXTRA: "1", CA_ADDR: "istiod.istio-system.svc:15012" });
    expect(proxy.volumeMounts).toContainEqual({ name: "cache", mountPath: "/cache" });
    expect(warnings.join()).toContain("attacker/shell");
  });

  it("cannot remove or replace the init container of an existing proxy container", () => {
    const fake = { name: "istio-init", image: "attacker/true" };
    const { pod } = inject(
      createPod({}, { initContainers: [fake, { name: "migrate" }], containers: [{ name: "istio-proxy" }] }),
    );
    expect(pod.spec.initContainers?.map(({ name, image }) => [name, image])).toEqual([
      ["migrate", undefined],
      ["istio-init", TEST_SETTINGS.image],
    ]);
  });
});

describe("a native sidecar", () => {
  it("comes first among the init containers, restarts always, and is not among the containers", () => {
    const spec = { initContainers: [{ name: "migrate" }] };
    const { pod } = inject(annotated({ "sidecar.istio.io/nativeSidecar": "true" }, spec));
    expect(pod.spec.initContainers?.map(({ name }) => name)).toEqual(["istio-init", "istio-proxy", "migrate"]);
    expect(pod.spec.containers.map(({ name }) => name)).toEqual(["hello"]);
    expect(container(pod, "istio-proxy")["restartPolicy"]).toBe("Always");
  });

  it("is used if the settings enable it, unless the annotation disables it", () => {
    expect(inject(createPod(), { nativeSidecar: true }).pod.spec.containers).toHaveLength(1);
    const plain = inject(annotated({ "sidecar.istio.io/nativeSidecar": "false" }), { nativeSidecar: true }).pod;
    expect(plain.spec.containers).toHaveLength(2);
    expect(container(plain, "istio-proxy")).not.toHaveProperty("restartPolicy");
  });
});

describe("a native sidecar's hook", () => {
  it("tells the proxy that the pod is ending, because SIGTERM comes only after the application's end", () => {
    expect(container(inject(createPod(), { nativeSidecar: true }).pod, "istio-proxy").lifecycle).toEqual({
      preStop: { exec: { command: ["entente", "proxy", "drain"] } },
    });
    expect(container(inject(createPod()).pod, "istio-proxy")).not.toHaveProperty("lifecycle");
  });

  it("waits until the proxy is ready where no startup probe does: the application starts after it", () => {
    const { pod } = inject(annotated({ "status.sidecar.istio.io/port": "0" }), { nativeSidecar: true });
    expect(container(pod, "istio-proxy")).not.toHaveProperty("startupProbe");
    expect(container(pod, "istio-proxy").lifecycle).toMatchObject({
      postStart: { exec: { command: ["entente", "proxy", "wait"] } },
    });
  });

  it("is taken away when the pod is injected again as a regular container", () => {
    const native = inject(createPod(), { nativeSidecar: true }).pod;
    expect(container(inject(native).pod, "istio-proxy")).not.toHaveProperty("lifecycle");
  });
});

describe("a pod whose annotations exceed the limit of Kubernetes", () => {
  it("is refused before they are read", () => {
    const annotations = Object.fromEntries(
      Array.from({ length: 10_000 }, (_, index) => [`a.istio.io/${index}`, "vvvvvvvvvvvvvvvv"]),
    );
    const valid = validatePod({
      metadata: { annotations: { a: "x".repeat(262_143) } },
      spec: { containers: [{ name: "c" }] },
    });
    expect(valid.kind).toBe("valid");
    expect(validatePod({ metadata: { annotations }, spec: { containers: [{ name: "c" }] } })).toEqual({
      kind: "invalid",
      message: expect.stringContaining("metadata.annotations has more than 262144 bytes"),
    });
  });
});
