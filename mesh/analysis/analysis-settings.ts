import type { MeshSettings } from "../mesh-settings.ts";

/** The mesh settings that the analysis needs. */
export type AnalysisSettings = Pick<MeshSettings, "rootNamespace" | "clusterDomain">;
