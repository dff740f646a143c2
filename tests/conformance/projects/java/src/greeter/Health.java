package greeter;

import java.io.IOException;
import java.net.Socket;

final class Health {
    public static void main(String[] arguments) throws IOException {
        new Socket("127.0.0.1", 8080).close();
    }
}
