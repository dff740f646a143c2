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
    testTimeout: 30_000,
  },
}));
