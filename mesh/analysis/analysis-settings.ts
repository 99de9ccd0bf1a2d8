import type { MeshSettings } from "../mesh-settings.ts";

/** What the analysis must know of the mesh. */
export type AnalysisSettings = Pick<MeshSettings, "rootNamespace" | "clusterDomain">;
