/**
 * The document, except that the style elements it makes carry the page's nonce.
 *
 * xterm makes style elements at run time. The window's policy allows only those with
 * the nonce that the shell puts on the page, and no `unsafe-inline`.
 */
export const nonceDocument = (): Document => {
  const nonce = document.querySelector<HTMLElement>("script[nonce], style[nonce], link[nonce]")?.nonce;
  if (!nonce) return document;
  return new Proxy(document, {
    get(target, key) {
      if (key === "createElement") {
        return (name: string) => {
          const element = target.createElement(name);
          if (name === "style") element.nonce = nonce;
          return element;
        };
      }
      const value: unknown = Reflect.get(target, key, target);
      // The document's own methods refuse any other receiver.
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
};
