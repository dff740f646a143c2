import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

export default defineConfig(({ mode }) => ({
  plugins: [svelte()],
  // Relative, so that the built page works under any scheme and folder.
  base: "./",
  clearScreen: false,
  server: { port: 1420, strictPort: true },
  // WebKitGTK 2.40, Safari 16.4 and WebView2 all have it.
  build: { target: "es2022", sourcemap: false },
  // Vitest would otherwise take Svelte's server build.
  ...(mode === "test" ? { resolve: { conditions: ["browser"] } } : {}),
  test: {
    environment: "happy-dom",
    include: ["src/**/*.test.ts"],
    setupFiles: ["./vitest.setup.ts"],
    restoreMocks: true,
    maxWorkers: "100%",
    // What comes is waited for, also on a computer that has other things to do: with the
    // same patience as in vitest.setup.ts.
    expect: { poll: { timeout: 10_000 } },
    testTimeout: 60_000,
  },
}));
