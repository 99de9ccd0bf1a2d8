/**
 * The codes of everything that is reported about a configuration, for filters and searches. IST codes are Istio's, where
 * it reports the same (istio.io/latest/docs/reference/config/analysis); ENT codes are our own. A code never changes.
 */
export const FINDING_CODES = {
  ReferencedResourceNotFound: "IST0101",
  NamespaceNotInjected: "IST0102",
  PodMissingProxy: "IST0103",
  SchemaValidationError: "IST0106",
  UnknownAnnotation: "IST0108",
  ConflictingMeshGatewayVirtualServiceHosts: "IST0109",
  VirtualServiceDestinationPortSelectorRequired: "IST0112",
  MTLSPolicyConflict: "IST0113",
  DestinationRuleUsesMTLSForWorkloadWithoutSidecar: "IST0115",
  DeploymentAssociatedToMultipleServices: "IST0116",
  PortNameIsNotUnderNamingConvention: "IST0118",
  NamespaceMultipleInjectionLabels: "IST0123",
  NoMatchingWorkloadsFound: "IST0127",
  InvalidApplicationUID: "IST0144",
  /** A file that cannot be read, or that is not used as a whole. */
  UnusableFile: "ENT0001",
  MalformedYaml: "ENT0002",
  /** A kind or version that Entente does not serve. */
  UnsupportedKind: "ENT0003",
  /** A kind that does not concern the mesh. */
  UnrelatedKind: "ENT0004",
  /** A field or value that has no effect, or that is refused at run time. */
  UnsupportedSetting: "ENT0005",
  /** An older rule of the same scope applies instead. */
  OverriddenPolicy: "ENT0006",
  IgnoredSelector: "ENT0007",
  /** A legacy policy under a PeerAuthentication. */
  ShadowedLegacyPolicy: "ENT0008",
  OverriddenDestinationRule: "ENT0009",
  /** A route whose requests receive 503. */
  UnusableRoute: "ENT0010",
  /** A route that sidecars do not use. */
  IneffectiveRoute: "ENT0011",
  /** An EndpointSlice that belongs to no Service. */
  UnusedEndpointSlice: "ENT0012",
  /** A Service with neither a selector nor EndpointSlices. */
  UnknownEndpoints: "ENT0013",
  /** A pod that is injected, with a restriction. */
  InjectionWarning: "ENT0014",
  /** A pod that the injector refuses. */
  InjectionRefused: "ENT0015",
  /** A port whose name speaks of gRPC, and that is declared as another protocol. */
  GrpcPortDeclaredOtherwise: "ENT0016",
  /** `h2UpgradePolicy: UPGRADE` for ports without HTTP. */
  IneffectiveUpgrade: "ENT0017",
  EmptySelector: "ENT0018",
  /** A rule with fields of HTTP, and what it does where there is no HTTP. */
  RequestRuleInStream: "ENT0019",
  /** A principal that no client can have. */
  UnmatchablePrincipal: "ENT0020",
  /** A policy about tokens where none is verified. */
  MissingRequestAuthentication: "ENT0021",
  /** A policy that denies identities where clients may have none. */
  PlaintextEvadesPolicy: "ENT0022",
  /** A policy about hosts where any host is served. */
  ClaimedHost: "ENT0023",
  /** A Service's port in place of a container's. */
  ServicePortInPolicy: "ENT0024",
  /** An identity of a server whose trust domain the mesh does not trust. */
  UntrustedServer: "ENT0025",
} as const;

/** The name of a kind of finding; Istio's name where the code is Istio's. */
export type FindingName = keyof typeof FINDING_CODES;
