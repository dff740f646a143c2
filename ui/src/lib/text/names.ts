/** What the engine takes for a volume's or network's name. */
const NAME = /^[a-zA-Z0-9][\w.-]+$/;

export const isName = (text: string): boolean => NAME.test(text);

const isByte = (text: string) => /^\d{1,3}$/.test(text) && Number(text) <= 255;

/** Whether `text` is an IPv4 or IPv6 range such as `10.20.0.0/16`. */
export const isSubnet = (text: string): boolean => {
  const [address = "", length = "", ...more] = text.split("/");
  if (more.length > 0 || !/^\d{1,3}$/.test(length)) return false;
  if (address.includes(":")) {
    return Number(length) <= 128 && /^[0-9a-fA-F:]{2,39}$/.test(address) && address.split("::").length <= 2;
  }
  const parts = address.split(".");
  return Number(length) <= 32 && parts.length === 4 && parts.every(isByte);
};

/** A few names in a sentence, and a sign that there are more. */
export const namesOf = (names: readonly string[], most = 5): string =>
  names.length > most ? `${names.slice(0, most).join(", ")}, …` : names.join(", ");
