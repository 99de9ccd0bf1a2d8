import type { ResourceMetadata } from "./fields/metadata.ts";
import type { RequestAuthentication } from "./kinds/request-authentication.ts";
import type { Resource } from "./resource.ts";

/** The resource that results from applying `later` over `earlier`. Both have the same kind and name. */
export function applyResource<Applied extends Resource>(earlier: Applied, later: Applied): Applied {
  const absent = later.absent ?? [];
  const kept = {
    ...(absent.includes("spec") && "spec" in earlier
      ? { spec: earlier.spec, unsupported: earlier.unsupported ?? [], ...standIn(earlier) }
      : {}),
    ...(absent.includes("status") && "status" in earlier ? { status: earlier.status } : {}),
    absent: absent.filter((part) => earlier.absent?.includes(part) === true),
  };
  return { ...later, ...kept, metadata: mergeMetadata(earlier.metadata, later.metadata) };
}

/** A specification that is kept stays that of a stand-in. */
function standIn(earlier: Resource): Pick<Resource, "standsInFor"> & Pick<RequestAuthentication, "denial"> {
  const { standsInFor } = earlier;
  const denial = earlier.kind === "RequestAuthentication" ? earlier.denial : undefined;
  return { ...(standsInFor === undefined ? {} : { standsInFor }), ...(denial === undefined ? {} : { denial }) };
}

function mergeMetadata(earlier: ResourceMetadata, later: ResourceMetadata): ResourceMetadata {
  return {
    ...earlier,
    ...later,
    labels: { ...earlier.labels, ...later.labels },
    annotations: { ...earlier.annotations, ...later.annotations },
    ownerReferences: later.ownerReferences.length > 0 ? later.ownerReferences : earlier.ownerReferences,
  };
}
