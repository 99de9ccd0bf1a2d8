/** For tests: `--set` expressions that change every value of an installation which changes what is rendered. */
export const EVERY_VALUE = [
  ...["revision=canary", "namespace=mesh", "image=registry.example/entente:2", "imagePullSecrets={pull}"],
  ...["certificates.lifetime=12h", "certificates.maxLifetime=24h"],
  ...["trustDomain=example.org", "trustDomainAliases={old.example}", "outboundTrafficPolicy=REGISTRY_ONLY"],
  ...[
    "accessLogFile=/dev/stdout",
    "pathNormalization=NONE",
    "gateway.numTrustedProxies=1",
    "gateway.serviceType=NodePort",
    "gateway.serviceAnnotations.a=b",
  ],
  ...["controlPlane.replicas=3", "injector.resources.limits.cpu=1"],
  ...["proxy.resources.requests.cpu=50m", "proxy.resources.requests.memory=64Mi", "proxy.resources.limits.memory=1Gi"],
] as const;
