import type { MeshSettings } from "../mesh-settings.ts";

/** The mesh settings that the analysis needs. Without the trust domains nothing is said about those of principals. */
export type AnalysisSettings = Pick<MeshSettings, "rootNamespace" | "clusterDomain"> &
  Partial<Pick<MeshSettings, "trustDomain" | "trustDomainAliases" | "caCertificates">>;
