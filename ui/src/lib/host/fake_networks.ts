import type { ContainerSummary, NetworkSummary } from "../ipc/bindings";
import type { Handlers } from "./fake_close";
import { fakeNetwork } from "./samples";

/** What of the made-up app networks are answered from. */
interface Scene {
  readonly containers: ContainerSummary[];
  networks: NetworkSummary[];
}

/** Puts a container into a network, or takes it out. */
const setUsers = (host: Scene, id: string, containerId: string, member: boolean): Promise<null> => {
  const container = host.containers.find((each) => each.id === containerId);
  host.networks = host.networks.map((network) => {
    if (network.id !== id) return network;
    const users = network.users.filter((user) => user.container_id !== containerId);
    if (member && container !== undefined) {
      users.push({
        container_id: containerId,
        container_name: container.name,
        running: container.state === "running",
        addresses: container.state === "running" ? ["172.18.0.9"] : [],
      });
    }
    return { ...network, users };
  });
  return Promise.resolve(null);
};

export const networkHandlers = (host: Scene) =>
  ({
    "network.list": () => Promise.resolve(host.networks),
    "network.inspect": ({ id }) => Promise.resolve({ json: JSON.stringify({ Id: id, Driver: "bridge" }, null, 2) }),
    "network.create": ({ name, internal, subnet }) => {
      const subnets = [{ subnet: subnet === "" ? "172.20.0.0/16" : subnet, gateway: "" }];
      const created = fakeNetwork(name, { internal, subnets });
      host.networks = [...host.networks, created];
      return Promise.resolve({ id: created.id });
    },
    "network.remove": ({ id }) => {
      host.networks = host.networks.filter((each) => each.id !== id);
      return Promise.resolve(null);
    },
    "network.connect": ({ id, container_id }) => setUsers(host, id, container_id, true),
    "network.disconnect": ({ id, container_id }) => setUsers(host, id, container_id, false),
  }) satisfies Partial<Handlers>;
