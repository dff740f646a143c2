// A server that greets whoever is named by the path.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"strings"

	"example.com/greeter/greeting"
)

// version is set by the linker.
var version = "unknown"

func answer(client net.Conn) {
	defer client.Close()
	asked, err := bufio.NewReader(client).ReadString('\n')
	if err != nil {
		return
	}
	_, path, _ := strings.Cut(asked, " /")
	name, _, _ := strings.Cut(path, " ")
	said := greeting.Of(name, version, os.Getuid())
	fmt.Fprintf(client, "HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(said), said)
}

func main() {
	check := flag.Bool("check", false, "see whether it answers")
	flag.Parse()
	if *check {
		if _, err := net.Dial("tcp", "127.0.0.1:8080"); err != nil {
			log.Fatal(err)
		}
		return
	}
	server, err := net.Listen("tcp", ":8080")
	if err != nil {
		log.Fatal(err)
	}
	for {
		client, err := server.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go answer(client)
	}
}
