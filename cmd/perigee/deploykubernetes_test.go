package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"perigee/internal/config"
)

// container is what the tests must know of one.
type container struct {
	Name  string
	Image string
	Args  []string
	Env   []struct{ Name string }
	Ports []struct {
		Name          string
		ContainerPort int `yaml:"containerPort"`
	}
	SecurityContext struct {
		AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
		ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
		Capabilities             struct{ Drop []string }
	} `yaml:"securityContext"`
	LivenessProbe  probe `yaml:"livenessProbe"`
	ReadinessProbe probe `yaml:"readinessProbe"`
	VolumeMounts   []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
		SubPath   string `yaml:"subPath"`
	} `yaml:"volumeMounts"`
}

// probe is how the kubelet asks a container.
type probe struct{ Exec struct{ Command []string } }

// TestKubernetesFitsTheProgram holds the manifest of "perigee serve" against the program:
// configuration, command, variables and ports must be what it expects.
func TestKubernetesFitsTheProgram(t *testing.T) {
	type object struct {
		Kind     string
		Metadata struct{ Name, Namespace string }
		Data     map[string]string
		Spec     struct {
			Selector any
			Ports    []struct {
				TargetPort string `yaml:"targetPort"`
			}
			Template struct {
				Spec struct {
					SecurityContext struct {
						RunAsNonRoot bool   `yaml:"runAsNonRoot"`
						RunAsUser    string `yaml:"runAsUser"`
					} `yaml:"securityContext"`
					Containers []container
					Volumes    []struct{ Name string }
				}
			}
		}
	}
	kinds := map[string]object{}
	for _, text := range strings.Split(deployed(t, "kubernetes/serve.yaml"), "\n---\n") {
		var o object
		if err := yaml.Unmarshal([]byte(text), &o); err != nil {
			t.Fatal(err)
		}
		kinds[o.Kind] = o
	}
	settings, pod := kinds["ConfigMap"], kinds["Deployment"].Spec.Template.Spec
	if len(kinds) != 3 || len(pod.Containers) != 2 {
		t.Fatalf("%d kinds, %d containers", len(kinds), len(pod.Containers))
	}

	file := filepath.Join(t.TempDir(), "perigee.yaml")
	if err := os.WriteFile(file, []byte(settings.Data["perigee.yaml"]), 0o600); err != nil {
		t.Fatal(err)
	}
	serve, err := config.LoadServe(file)
	if err != nil {
		t.Fatal(err)
	}
	d := readDockerfile(t)
	if !pod.SecurityContext.RunAsNonRoot || pod.SecurityContext.RunAsUser != d.uid {
		t.Errorf("the pod runs as %+v, the image as %s", pod.SecurityContext, d.uid)
	}
	volumes := map[string]bool{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = true
	}
	for _, c := range pod.Containers {
		sc := c.SecurityContext
		if sc.AllowPrivilegeEscalation == nil || *sc.AllowPrivilegeEscalation || !sc.ReadOnlyRootFilesystem || strings.Join(sc.Capabilities.Drop, " ") != "ALL" {
			t.Errorf("%s: security context %+v", c.Name, sc)
		}
		if !pinned(c.Image) {
			t.Errorf("%s: image %s is not pinned", c.Name, c.Image)
		}
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] {
				t.Errorf("%s mounts %s, which there is not", c.Name, m.Name)
			}
			if m.SubPath != "" && settings.Data[m.SubPath] == "" {
				t.Errorf("%s mounts %s of the settings, which there is not", c.Name, m.SubPath)
			}
		}
	}
	perigee, proxy := pod.Containers[0], pod.Containers[1]
	grammarAccepts(t, "kubernetes", perigee.Args)
	if perigee.Args[0] != "serve" || perigee.VolumeMounts[0].MountPath+"/perigee.yaml" != configPlaces[1] {
		t.Errorf("it starts %v with its settings in %v", perigee.Args, perigee.VolumeMounts)
	}
	if len(perigee.Env) != 1 || perigee.Env[0].Name != config.TokenVariable {
		t.Errorf("it is given %v, and reads %s", perigee.Env, config.TokenVariable)
	}
	for _, command := range [][]string{perigee.LivenessProbe.Exec.Command, perigee.ReadinessProbe.Exec.Command} {
		if len(command) == 0 || command[0] != d.stages["serve"][0] {
			t.Fatalf("a probe runs %q", command)
		}
		if m := grammarAccepts(t, "kubernetes", command[1:]); m.Health.Address != serve.API.Listen {
			t.Errorf("a probe asks %s, perigee listens on %s", m.Health.Address, serve.API.Listen)
		}
	}
	// The proxy leads to where perigee listens, by the name that it answers to, and asks
	// for a password first; and the service leads to the proxy.
	nginx := settings.Data["nginx.conf"]
	for _, want := range []string{"proxy_pass http://" + serve.API.Listen + ";", "proxy_set_header Host " + serve.API.Listen + ";", "auth_basic_user_file "} {
		if !strings.Contains(nginx, want) {
			t.Errorf("the proxy's settings lack %q", want)
		}
	}
	if m := regexp.MustCompile(`listen (\d+);`).FindStringSubmatch(nginx); len(proxy.Ports) != 1 || m == nil || m[1] != "8080" || proxy.Ports[0].ContainerPort != 8080 ||
		kinds["Service"].Spec.Ports[0].TargetPort != proxy.Ports[0].Name {
		t.Errorf("the proxy listens on %v, has port %v, and the service leads to %v", m, proxy.Ports, kinds["Service"].Spec.Ports)
	}
}
