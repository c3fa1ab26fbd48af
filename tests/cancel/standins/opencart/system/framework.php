<?php
/* A stand-in of OpenCart: what the program that cancels asks of it, and no more. */

class Registry
{
    private $all;

    public function __construct()
    {
        $this->all = ['config' => new Config(), 'db' => new Db(), 'load' => new Loader($this)];
    }

    public function get($name)
    {
        return $this->all[$name];
    }

    public function set($name, $value)
    {
        $this->all[$name] = $value;
    }
}

class Config
{
    private $all = ['config_processing_status' => ['1', '2'], 'config_complete_status' => ['3', '5']];

    public function get($key)
    {
        return $this->all[$key];
    }

    public function set($key, $value)
    {
        $this->all[$key] = $value;
    }
}

class Db
{
    public function query($sql)
    {
        if (!preg_match('/^SELECT \* FROM `oc_setting` WHERE store_id = ([0-9]+)$/', $sql, $found)) {
            throw new RuntimeException("not foreseen: $sql");
        }
        return (object) ['rows' => shop()['settings'][$found[1]] ?? []];
    }
}

class Loader
{
    private $registry;

    public function __construct(Registry $registry)
    {
        $this->registry = $registry;
    }

    public function model($route)
    {
        $this->registry->set('model_' . str_replace('/', '_', $route), new Orders($this->registry->get('config')));
    }
}

class Orders
{
    private $config;

    public function __construct(Config $config)
    {
        $this->config = $config;
    }

    public function getOrder($id)
    {
        return shop()['orders'][(int) $id] ?? [];
    }

    /** addOrderHistory(), from version 4 on addHistory(). */
    public function __call($name, $arguments)
    {
        if ($name !== (version_compare(VERSION, '4', '<') ? 'addOrderHistory' : 'addHistory')) {
            throw new RuntimeException("version " . VERSION . " has no $name()");
        }
        [$id, $status, $comment, $notify] = $arguments;
        trouble('cancel');
        $holding = array_merge(
            $this->config->get('config_processing_status'),
            $this->config->get('config_complete_status')
        );
        $before = $this->getOrder($id)['order_status_id'];
        $restocked = in_array($before, $holding) && !in_array((string) $status, $holding);
        change($id, ['order_status_id' => shop()['instead'] ?? (string) $status], [
            ['history' => $comment, 'notify' => $notify, 'restocked' => $restocked],
        ]);
    }
}

trouble('end');
trouble('boot');
$registry = new Registry();
echo '{"error":"The page that was asked for."}';
