<?php
/* A stand-in of PrestaShop: what the program that cancels asks of it, and no more. */

require_once dirname(__DIR__) . '/shop.php';
require_once __DIR__ . '/container.php';

define('_DB_PREFIX_', 'ps_');
define('_PS_MODE_DEV_', false);

class Thing
{
    public $id;

    public function __construct($id = null)
    {
        $this->id = $id;
    }
}

class Customer extends Thing
{
    public $email = 'buyer@example.com';
}

class Cart extends Thing
{
}

class Currency extends Thing
{
}

class Language extends Thing
{
    public function getLocale()
    {
        return "locale $this->id";
    }
}

class Shop extends Thing
{
    const CONTEXT_SHOP = 1;

    public static function setContext($type, $id)
    {
    }
}

class Context
{
    public $shop;
    public $currency;
    public $customer;
    public $cart;
    public $language;
    public $currentLocale;

    public static function getContext()
    {
        static $one;
        return $one = $one ?? new self();
    }
}

class Configuration
{
    public static function get($name)
    {
        $all = ['PS_OS_CANCELED' => '6', 'PS_OS_CHEQUE' => '1', 'PS_OS_PAYMENT' => '2', 'PS_OS_BANKWIRE' => '10'];
        return $all[$name] ?? false;
    }

    public static function set($name, $value)
    {
    }
}

class Validate
{
    public static function isLoadedObject($thing)
    {
        return is_object($thing) && (int) $thing->id > 0;
    }
}

class Tools
{
    public static function passwdGen($length)
    {
        return str_repeat('a', $length);
    }
}

class Order extends Thing
{
    public $reference;
    public $current_state;
    public $id_shop = 1;
    public $id_lang = 1;
    public $id_currency = 1;
    public $id_customer = 1;
    public $id_cart = 1;

    public function __construct($id = null)
    {
        $row = shop()['orders'][$id] ?? null;
        parent::__construct($row === null ? null : $id);
        $this->reference = $row['reference'] ?? null;
        $this->current_state = $row['current_state'] ?? null;
    }

    public static function getByReference($reference)
    {
        return new ArrayIterator(array_map(static function (int $id): Order {
            return new Order($id);
        }, having('reference', $reference)));
    }
}

class OrderHistory extends Thing
{
    public $id_order;
    public $id_employee;

    public function changeIdOrderState($state, $order)
    {
        trouble('cancel');
        change($order->id, ['current_state' => shop()['instead'] ?? (string) $state], [['restocked' => true]]);
    }

    public function addWithemail($autodate = true)
    {
        if (Context::getContext()->currentLocale !== 'how to write prices in locale 1') {
            throw new RuntimeException('prices cannot be written into the mail');
        }
        $this->id = 1;
        change($this->id_order, [], [['history' => $this->id_employee]]);
        return empty(shop()['no_mail']);
    }
}

class CustomerThread extends Thing
{
    public static function getIdCustomerThreadByEmailAndIdOrder($email, $id)
    {
        return false;
    }

    public function add()
    {
        return $this->id = 5;
    }
}

class CustomerMessage extends Thing
{
    public $id_customer_thread;
    public $id_employee;
    public $private;
    public $message;

    public function add()
    {
        if (preg_match('/[<>=]|script:/i', $this->message)) {
            throw new RuntimeException('CustomerMessage->message is not valid');
        }
        if (!empty(shop()['no_message'])) {
            return false;
        }
        change((int) array_key_first(shop()['orders']), [], [['message' => $this->message, 'private' => $this->private]]);
        return true;
    }
}

class Db
{
    public static function getInstance()
    {
        return new self();
    }

    public function getValue($sql, $cached = true)
    {
        if ($cached || !preg_match('/^SELECT current_state FROM `ps_orders` WHERE id_order = ([0-9]+)$/', $sql, $found)) {
            throw new RuntimeException("not foreseen: $sql");
        }
        return shop()['orders'][$found[1]]['current_state'];
    }
}

trouble('end');
trouble('boot');
